"""The measures of a classifier, each from the counts of a confusion matrix.

A confusion matrix is int64 [labels, labels]: rows are what is true, columns what was predicted.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Confusion = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PerLabel:
  """Precision, recall and F1 of every label, float64 [labels] each, in [0, 1].

  A quotient without a denominator is 0: the precision of a label that was never predicted, and
  the recall of one that no example has.

  Attributes:
    precision: Of the examples predicted to have the label, the share that has it.
    recall: Of the examples that have it, the share predicted to.
    f1: The harmonic mean of the two.
    support: Examples that have it, int64 [labels].
  """

  precision: NDArray[np.float64]
  recall: NDArray[np.float64]
  f1: NDArray[np.float64]
  support: NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
  """From `low` to `high`, both in [0, 1]."""

  low: float
  high: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixup:
  """How often one label was taken for another.

  Attributes:
    truth: Index of the label that was true.
    predicted: Index of the label it was taken for.
    count: How often.
  """

  truth: int
  predicted: int
  count: int


def confusion(truth: NDArray[Any], predicted: NDArray[Any], *, num_labels: int) -> Confusion:
  """Returns the confusion matrix of label indices [examples] and [examples]."""
  cells = np.asarray(truth, np.int64) * num_labels + np.asarray(predicted, np.int64)
  return np.bincount(cells, minlength=num_labels**2).reshape(num_labels, num_labels)


def accuracy(counts: Confusion) -> float:
  """Returns the share of examples whose label was predicted; 0 without examples."""
  total = counts.sum()
  return float(np.trace(counts) / total) if total else 0.0


def per_label(counts: Confusion) -> PerLabel:
  """Returns precision, recall and F1 per label."""
  precision, recall, f1, _ = _scores(counts, labels=np.arange(len(counts)), average=None)
  return PerLabel(precision=precision, recall=recall, f1=f1, support=counts.sum(axis=1))


def averages(counts: Confusion) -> dict[str, dict[str, float]]:
  """Returns the `macro` and `weighted` means of precision, recall and F1.

  Labels that no example has are left out of both: nothing is known of them. Macro counts every
  label alike, weighted by its number of examples (its recall is the accuracy).
  """
  present = np.flatnonzero(counts.sum(axis=1))
  if not len(present):
    return {kind: dict.fromkeys(('precision', 'recall', 'f1'), 0.0) for kind in _AVERAGES}
  found = {kind: _scores(counts, labels=present, average=kind) for kind in _AVERAGES}
  return {
    kind: {'precision': float(p), 'recall': float(r), 'f1': float(f1)}
    for kind, (p, r, f1, _) in found.items()
  }


_AVERAGES = ('macro', 'weighted')


def accuracy_interval(counts: Confusion) -> Interval:
  """Returns Wilson's 95 % interval of the accuracy; [0, 1] without examples.

  It takes examples for independent. Those of one speaker are not, so with few speakers the truth
  lies outside more often than 1 time in 20.
  Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).
  """
  from scipy import stats

  total = int(counts.sum())
  if not total:
    return Interval(low=0.0, high=1.0)
  found = stats.binomtest(int(np.trace(counts)), total).proportion_ci(0.95, method='wilson')
  return Interval(low=float(found.low), high=float(found.high))


def majority_label(train_counts: NDArray[Any]) -> int:
  """Returns the label that is most frequent in training; the first of several."""
  return int(np.argmax(train_counts))


def share_of(label: int, counts: Confusion) -> float:
  """Returns the accuracy of whoever always says `label`."""
  total = counts.sum()
  return float(counts[label].sum() / total) if total else 0.0


def worst_mixups(counts: Confusion, *, limit: int) -> list[Mixup]:
  """Returns the most frequent confusions, at most `limit`; equal ones in the order of labels."""
  wrong = counts.copy()
  np.fill_diagonal(wrong, 0)
  order = np.argsort(-wrong, axis=None, kind='stable')[:limit]
  rows, columns = np.unravel_index(order, wrong.shape)
  return [
    Mixup(truth=int(i), predicted=int(j), count=int(wrong[i, j]))
    for i, j in zip(rows, columns, strict=True)
    if wrong[i, j]
  ]


def _scores(counts: Confusion, *, labels: NDArray[Any], average: str | None) -> Any:
  # Scikit-learn takes one weighted example per cell, so no list of all examples is needed.
  from sklearn import metrics

  truth, predicted = np.nonzero(counts)
  return metrics.precision_recall_fscore_support(
    truth,
    predicted,
    labels=labels,
    average=average,
    sample_weight=counts[truth, predicted],
    zero_division=0.0,
  )
