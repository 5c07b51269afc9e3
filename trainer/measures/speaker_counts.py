"""What came of each speaker's clips, and the intervals that follow from it.

A recording of noise from which clips were cut is a group of clips as a voice is, and is drawn as
one; where the question is whether there are enough of them it does not count (utterance.is_noise).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from schemas import utterance
from trainer.measures import group_bootstrap, intervals, sparse_counts

# Of the sums of all speakers, dense: beyond, F1 has no interval (it would take minutes).
_MOST_NUMBERS = 1 << 26
# A clip right, of the label, taken for the label.
_KINDS = 3


class F1Intervals(NamedTuple):
  """Ends of 95 % intervals over speakers; NaN where there is none.

  Attributes:
    macro: Of macro F1, [2].
    precision, recall, f1: Of each label, [2, labels]: of those that enough speakers have.
  """

  macro: NDArray[np.float64]
  precision: NDArray[np.float64]
  recall: NDArray[np.float64]
  f1: NDArray[np.float64]


class SpeakerCounts:
  """Counts of clips by speaker, and by speaker and label where those are not too many."""

  def __init__(self, num_labels: int) -> None:
    self._num_labels = num_labels
    self._indices: dict[str, int] = {}
    self._examples, self._right = np.zeros(0, np.int64), np.zeros(0, np.int64)
    self._by_label = sparse_counts.SparseCounts()

  def add(
    self,
    names: Sequence[str],
    places: NDArray[np.int64],
    labels: NDArray[np.int64],
    answers: NDArray[np.int64],
  ) -> None:
    """Counts some clips.

    Args:
      names: Who speaks in them, each once.
      places: Index into `names` of each clip.
      labels: Of each.
      answers: What each was taken for.
    """
    known = [self._indices.setdefault(name, len(self._indices)) for name in names]
    speakers = np.array(known, np.int64)[places]
    if len(self._indices) > len(self._examples):
      # Twice as many, so that growing costs no more than counting.
      size = max(2 * len(self._examples), len(self._indices))
      self._examples, self._right = (
        np.concatenate([held, np.zeros(size - len(held), np.int64)])
        for held in (self._examples, self._right)
      )
    is_right = labels == answers
    np.add.at(self._examples, speakers, 1)
    np.add.at(self._right, speakers[is_right], 1)
    rows = speakers * (_KINDS * self._num_labels)
    for kind, some in enumerate((is_right, slice(None), slice(None))):
      columns = answers if kind == 2 else labels
      self._by_label.add((rows + kind * self._num_labels + columns)[some])

  def __len__(self) -> int:
    return len(self._indices)

  @property
  def is_voice(self) -> NDArray[np.bool_]:
    """Whether each is a voice, and no recording of noise, [speakers]."""
    return np.array([not utterance.is_noise(name) for name in self._indices], np.bool_)

  @property
  def num_voices(self) -> int:
    """How many of them are voices."""
    return int(self.is_voice.sum())

  @property
  def num_noises(self) -> int:
    """How many are recordings of noise."""
    return len(self) - self.num_voices

  @property
  def names(self) -> list[str]:
    """Who speaks, in the order in which they came."""
    return list(self._indices)

  @property
  def examples(self) -> NDArray[np.int64]:
    """How many clips each has."""
    return self._examples[: len(self)]

  @property
  def right(self) -> NDArray[np.int64]:
    """How many of them were taken for what they are."""
    return self._right[: len(self)]

  def groups_of_labels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Returns how many voices, and how many noises, have each label; None if that is not known."""
    sums = self._sums()
    if sums is None:
      return None
    rows, columns = sums.nonzero()
    is_voice = self.is_voice[rows]
    voices, noises = (
      np.bincount(some, minlength=_KINDS * self._num_labels)[
        self._num_labels : 2 * self._num_labels
      ]
      for some in (columns[is_voice], columns[~is_voice])
    )
    return voices, noises

  def f1_intervals(
    self, *, with_labels: bool, num_resamples: int = group_bootstrap.NUM_RESAMPLES
  ) -> F1Intervals | None:
    """Returns intervals of what is made of labels; None where there are too few speakers, or many.

    Args:
      with_labels: Whether those of each label are wanted; else they are NaN.
      num_resamples: How often speakers are drawn.
    """
    sums = self._sums()
    if sums is None or self.num_voices < group_bootstrap.MIN_GROUPS:
      return None
    count = self._num_labels

    def statistic(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
      right, examples, answers = (drawn[:, i * count : (i + 1) * count] for i in range(_KINDS))
      f1 = _quotients(2 * right, examples + answers, where=examples > 0)
      is_there = np.isfinite(f1)
      macro = np.where(is_there, f1, 0).sum(axis=1) / np.maximum(is_there.sum(axis=1), 1)
      if not with_labels:
        return macro
      precision = _quotients(right, answers, where=answers > 0)
      recall = _quotients(right, examples, where=examples > 0)
      return np.concatenate([macro[:, np.newaxis], precision, recall, f1], axis=1)

    ends = np.stack(group_bootstrap.intervals(sums, statistic, num_resamples=num_resamples))
    if not with_labels:
      nothing = np.full([2, count], np.nan)
      return F1Intervals(ends[:, 0], nothing, nothing, nothing)
    groups = self.groups_of_labels()
    assert groups is not None
    voices, noises = groups
    # A label that no voice has is of noises alone, as silence is.
    enough = np.where(voices > 0, voices, noises)
    ends[:, 1:][:, np.tile(enough < group_bootstrap.MIN_GROUPS, _KINDS)] = np.nan
    parts = (ends[:, 1 + i * count : 1 + (i + 1) * count] for i in range(_KINDS))
    return F1Intervals(ends[:, 0], *parts)

  def accuracy_interval(self) -> tuple[float, float] | None:
    """Returns the interval of the accuracy over speakers; None where there are too few."""
    if self.num_voices < group_bootstrap.MIN_GROUPS:
      return None
    # The draws are those of a comparison, whatever the order in which clips came.
    order = sorted(range(len(self)), key=self.names.__getitem__)
    return intervals.share(self.right[order], self.examples[order], num_trials=self.num_voices)

  def _sums(self) -> sparse.csr_array | None:
    width = _KINDS * self._num_labels
    keys, counts = self._by_label.counted()
    if self._by_label.num_dropped or len(self) * width > _MOST_NUMBERS:
      return None
    return sparse.csr_array(
      (counts.astype(np.float64), np.divmod(keys, width)), shape=(len(self), width)
    )


def _quotients(
  parts: NDArray[np.float64], wholes: NDArray[np.float64], *, where: NDArray[np.bool_]
) -> NDArray[np.float64]:
  return np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=where)
