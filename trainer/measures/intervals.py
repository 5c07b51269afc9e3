"""95 % intervals of shares, such as of an accuracy: over speakers where clips share voices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainer.measures import group_bootstrap

# What an interval is over: what would be drawn again, were all repeated.
OVER_SPEAKERS, OVER_EXAMPLES = 'speakers', 'examples'


def share(
  parts: ArrayLike, wholes: ArrayLike, *, num_trials: int | None = None
) -> tuple[float, float]:
  """Returns the interval of sum(parts) / sum(wholes) over groups.

  By group_bootstrap. Where all are right, or none is, every draw says the same, and the interval is
  Wilson's of as many examples as there are trials: no draw can tell more than that, whatever the
  clips of a voice have in common.

  Args:
    parts: Such as how many clips of each speaker are right, [groups].
    wholes: How many clips each has, [groups].
    num_trials: How many groups tell something there; all by default. Noises are hardly ever
      mistaken, and do not count.

  Raises:
    ValueError: if there are fewer than group_bootstrap.MIN_GROUPS groups.
  """
  sums = np.stack([np.asarray(parts, np.float64), np.asarray(wholes, np.float64)], axis=1)
  part, whole = sums.sum(axis=0)
  found = group_bootstrap.interval(sums, quotient)
  if part in (0, whole):
    trials = len(sums) if num_trials is None else num_trials
    return wilson(trials if part else 0, trials)
  return found


def quotient(sums: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns the first sum by the second, of each resample; NaN by nothing. A Statistic."""
  found: NDArray[np.float64] = np.divide(
    sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0
  )
  return found


def difference(sums: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns second minus first share on the same clips, of each resample. A Statistic.

  The sums are those that the first model has right, those that the second has, and all clips. Both
  are of the same draw, so what is hard for both cancels out: the comparison is paired.
  """
  return quotient(np.stack([sums[:, 1] - sums[:, 0], sums[:, 2]], axis=1))


def wilson(num_right: int, num_examples: int) -> tuple[float, float]:
  """Returns the ends of Wilson's interval of a share of independent examples.

  Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).
  """
  from scipy import stats

  test = stats.binomtest(int(num_right), int(num_examples))
  found = test.proportion_ci(group_bootstrap.LEVEL, method='wilson')
  return float(found.low), float(found.high)
