"""Label errors by confident learning, on probabilities that a model gave to clips it never saw.

Northcutt, Jiang & Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70
(2021). A label's threshold is its mean self-confidence, the probability that clips of this label
are given for it (equation 2). A clip counts as one of the label whose threshold it passes, the most
probable one where it passes several (equation 1); the counts by given and by found label are the
confident joint, and what stands off its diagonal are the label errors (section 3.2). Clips are
ranked by their normalised margin: the probability of the given label less that of the most
probable other one (section 3.2, method "prune by noise rate").

One deviation: where a file of predictions keeps the highest logits only, labels beyond these count
as not passed. They have less than 1 / NUM_TOP, so that matters for labels alone that are hardly
learned.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader

NO_LABEL = -1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Found:
  """What is found of some clips.

  Attributes:
    confident: The label that each counts as, an index; NO_LABEL where it passes no threshold.
    others: The most probable label but the given one; NO_LABEL where there is but one label.
    label_probabilities: What the given label gets, in [0, 1].
    other_probabilities: What the most probable other one gets, in [0, 1].
  """

  confident: NDArray[np.int64]
  others: NDArray[np.int64]
  label_probabilities: NDArray[np.float64]
  other_probabilities: NDArray[np.float64]

  @property
  def margins(self) -> NDArray[np.float64]:
    """Normalised margins, in [-1, 1]: the lower, the more the label looks wrong."""
    margins: NDArray[np.float64] = self.label_probabilities - self.other_probabilities
    return margins


class Thresholds:
  """Mean self-confidence of every label, gathered batch by batch."""

  def __init__(self, num_labels: int) -> None:
    self._sums = np.zeros(num_labels)
    self._counts = np.zeros(num_labels, np.int64)

  def add(self, batch: parquet_reader.Batch, chosen: NDArray[np.bool_]) -> None:
    """Adds the chosen clips of a batch."""
    labels = batch.labels[chosen]
    np.add.at(self._sums, labels, label_probabilities(batch)[chosen])
    np.add.at(self._counts, labels, 1)

  @property
  def counts(self) -> NDArray[np.int64]:
    """How many clips each label has."""
    return self._counts

  @property
  def values(self) -> NDArray[np.float64]:
    """The threshold of each label; of one without clips it is infinite: nothing passes it."""
    counts = np.maximum(1, self._counts)
    values: NDArray[np.float64] = np.where(self._counts > 0, self._sums / counts, np.inf)
    return values


def label_probabilities(batch: parquet_reader.Batch) -> NDArray[np.float64]:
  """Returns what each clip's given label gets, float64 [clips]."""
  probabilities: NDArray[np.float64] = np.exp(-batch.losses)
  return probabilities


def find(batch: parquet_reader.Batch, thresholds: NDArray[np.float64]) -> Found:
  """Returns what is found of the clips of a batch.

  Args:
    batch: Clips with their logits.
    thresholds: Of each label.
  """
  indices, logits = batch.top(min(header_lib.NUM_TOP, len(batch.header.labels)))
  if batch.header.is_dense:  # All of them: a label far down may pass a low threshold.
    indices, logits = batch.top(len(batch.header.labels))
  top = np.exp(np.minimum(0, logits.astype(np.float64) - batch.log_sum_exps[:, np.newaxis]))
  labels, given = batch.labels, label_probabilities(batch)
  # The highest first, so the first that passes is the most probable that does.
  passes = top >= thresholds[indices]
  first = passes.argmax(axis=1)
  rows = np.arange(len(labels))
  confident = np.where(passes.any(axis=1), indices[rows, first], NO_LABEL)
  # The given label may stand behind those that are kept.
  own = (given >= thresholds[labels]) & (confident == NO_LABEL)
  confident = np.where(own, labels, confident)
  if len(batch.header.labels) == 1:
    return Found(
      confident=confident,
      others=np.full(len(labels), NO_LABEL),
      label_probabilities=given,
      other_probabilities=np.zeros(len(labels)),
    )
  second = np.where(indices[:, 0] == labels, 1, 0)
  return Found(
    confident=confident,
    others=indices[rows, second],
    label_probabilities=given,
    other_probabilities=top[rows, second],
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
  """How many clips of a given label count as another one."""

  given: int
  confident: int
  count: int


class ConfidentJoint:
  """Counts by given and by found label, of the pairs that there are."""

  def __init__(self, label_counts: NDArray[np.int64]) -> None:
    """Takes how many clips each label has."""
    self._label_counts = label_counts
    self._counts: dict[int, int] = {}

  def add(self, labels: NDArray[np.int64], confident: NDArray[np.int64]) -> None:
    """Adds clips by their given label and the one that they count as, which may be NO_LABEL."""
    known = confident != NO_LABEL
    keys = labels[known] * len(self._label_counts) + confident[known]
    for key, count in zip(*np.unique(keys, return_counts=True), strict=True):
      self._counts[int(key)] = self._counts.get(int(key), 0) + int(count)

  def pairs(self) -> list[Pair]:
    """Returns all pairs that differ, the most frequent first; of equals by their numbers."""
    size = len(self._label_counts)
    found = (
      Pair(given=key // size, confident=key % size, count=count)
      for key, count in self._counts.items()
    )
    return sorted(
      (pair for pair in found if pair.given != pair.confident),
      key=lambda pair: (-pair.count, pair.given, pair.confident),
    )

  def error_share(self) -> float:
    """Returns the estimated share of wrong labels.

    Of the joint whose rows are brought to the counts of the given labels, as not every clip passes
    a threshold (equation 3), it is what stands off the diagonal.
    """
    size = len(self._label_counts)
    in_row: dict[int, int] = {}
    off: dict[int, int] = {}
    for key, count in self._counts.items():
      given, confident = divmod(key, size)
      in_row[given] = in_row.get(given, 0) + count
      off[given] = off.get(given, 0) + (count if given != confident else 0)
    total = int(self._label_counts.sum())
    wrong = sum(
      int(self._label_counts[given]) * off[given] / in_row[given] for given in sorted(in_row)
    )
    return wrong / total if total else 0.0
