"""The measures of a classifier, each from counts of its examples. The only place that makes them.

A confusion is int64 [labels, labels]: rows are what is true, columns what was predicted.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from schemas import errors
from trainer.measures import scores as scores_lib

Confusion = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Counts:
  """What some examples came to, of which there must be some.

  Attributes:
    loss_sum: Sum of their cross-entropies, in nats.
    by_label: int64 [3, labels]: those of the label that were taken for it, those of the label, and
      those that were taken for it.
    confusion: None where it was not counted.
  """

  loss_sum: float
  by_label: NDArray[np.int64]
  confusion: Confusion | None

  def __add__(self, other: Counts) -> Counts:
    both = self.confusion is not None and other.confusion is not None
    return Counts(
      loss_sum=self.loss_sum + other.loss_sum,
      by_label=self.by_label + other.by_label,
      confusion=self.confusion + other.confusion if both else None,
    )

  @property
  def num_examples(self) -> int:
    """How many there are."""
    return int(self.by_label[1].sum())

  @property
  def num_correct(self) -> int:
    """How many were taken for what they are."""
    return int(self.by_label[0].sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerLabel:
  """Precision, recall and F1 of every label, float64 [labels] each, in [0, 1].

  A quotient without a denominator is 0: the precision of a label that was never predicted, and
  the recall of one that no example has.

  Attributes:
    precision: Of the examples predicted to have the label, the share that has it.
    recall: Of the examples that have it, the share predicted to.
    f1: The harmonic mean of the two.
  """

  precision: NDArray[np.float64]
  recall: NDArray[np.float64]
  f1: NDArray[np.float64]


def check_numbers(*values: NDArray[np.float32]) -> None:
  """Refuses what a model gives where that is not a number.

  Raises:
    ConfigError: with what may have happened.
  """
  if not all(np.isfinite(value).all() for value in values):
    raise errors.ConfigError(
      'The model gives logits that are not numbers: its training went astray. Train again with '
      'a lower --learning_rate, or take --checkpoint=best if this was the last one.'
    )


def scores(counts: Counts) -> scores_lib.Scores:
  """Returns the few numbers that stand for all."""
  macro = averages(counts)['macro']
  return scores_lib.Scores(
    loss=counts.loss_sum / counts.num_examples,
    accuracy=counts.num_correct / counts.num_examples,
    num_examples=counts.num_examples,
    balanced_accuracy=macro['recall'],
    macro_f1=macro['f1'],
  )


def per_label(counts: Counts) -> PerLabel:
  """Returns precision, recall and F1 per label."""
  right, examples, answers = counts.by_label
  return PerLabel(
    precision=_quotients(right, answers),
    recall=_quotients(right, examples),
    f1=_quotients(2 * right, examples + answers),  # 2 P R / (P + R), with what P and R are put in.
  )


def averages(counts: Counts) -> dict[str, dict[str, float]]:
  """Returns the `macro` and `weighted` means of precision, recall and F1.

  Labels that no example has are left out of both: nothing is known of them. Macro counts every
  label alike, weighted by its number of examples (its recall is the accuracy).
  """
  examples = counts.by_label[1]
  present = examples > 0
  found = {name: values[present] for name, values in dataclasses.asdict(per_label(counts)).items()}
  weights = examples[present]
  return {
    'macro': {name: float(values.mean()) for name, values in found.items()},
    'weighted': {
      name: float(np.average(values, weights=weights)) for name, values in found.items()
    },
  }


def row_shares(
  confusion: Confusion, examples: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
  """Returns a confusion as shares of each label's examples; 0 where there are none.

  Args:
    confusion: Or some columns of it.
    examples: How many each label has; by default as many as its row holds.
  """
  wholes = confusion.sum(axis=1) if examples is None else examples
  shares: NDArray[np.float64] = confusion / np.maximum(1, wholes)[:, np.newaxis]
  return shares


def worst_pairs(
  keys: NDArray[np.int64],
  counts: NDArray[np.int64],
  *,
  num_labels: int,
  limit: int | None = None,
) -> list[tuple[int, int, int]]:
  """Returns pairs of a true and another, predicted label, and how often, the most frequent first.

  Those that are as frequent stand in the order of labels.

  Args:
    keys: Pairs that occurred, as label * num_labels + answer, in order.
    counts: How often each did.
    num_labels: How many labels there are.
    limit: At most so many are wanted.
  """
  truth, predicted = np.divmod(keys, num_labels)
  wrong = np.flatnonzero((truth != predicted) & (counts > 0))
  order = wrong[np.argsort(-counts[wrong], kind='stable')][:limit]
  columns = (truth[order].tolist(), predicted[order].tolist(), counts[order].tolist())
  return list(zip(*columns, strict=True))


def _quotients(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> NDArray[np.float64]:
  return np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)
