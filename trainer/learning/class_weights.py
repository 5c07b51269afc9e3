"""How much the examples of each label count in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def _balanced(counts: Sequence[int]) -> tuple[float, ...]:
  """Returns scikit-learn's `balanced`: N / (labels * count), so that the mean over examples is 1.

  A label that no example has counts as none: there is nothing to weigh.
  """
  present = sum(count > 0 for count in counts)
  total = sum(counts)
  return tuple(total / (present * count) if count else 1.0 for count in counts)


# From a name to what makes the weights, of the number of training examples of each label.
CLASS_WEIGHTS: Mapping[str, Callable[[Sequence[int]], tuple[float, ...] | None]] = {
  'none': lambda counts: None,
  'balanced': _balanced,
}
