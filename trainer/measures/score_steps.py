"""What a threshold on a label's score lets through: the steps of ROC, precision-recall and DET.

A label's score of a clip is the logarithm of its odds, ln(p / (1 - p)) of its softmax p: the same
order as the probabilities, and told apart where those are all but 0 or 1. Up to EXACT_NUMBERS
scores are all kept, and each value is a step; beyond, steps are bins of a histogram of fixed width,
so that memory does not grow with the clips.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

# Clips times labels: 64 MiB of scores.
EXACT_NUMBERS = 1 << 23
# Log-odds beyond are as good as these: probabilities within 1e-17 of 0 and 1.
_MOST = 40.0
NUM_BINS = 1 << 13
# Beyond lies the order in which exponentials were added up; what differs there only is equal.
_DECIMALS = 10


class Steps(NamedTuple):
  """Of one label against the rest, the highest score first.

  Attributes:
    thresholds: Lowest log-odds of each step, float64 [steps].
    positives: Clips of the label in each step, int64 [steps].
    negatives: Clips of other labels, int64 [steps].
    is_exact: Whether scores within a step are equal; else they may stand in any order.
  """

  thresholds: NDArray[np.float64]
  positives: NDArray[np.int64]
  negatives: NDArray[np.int64]
  is_exact: bool

  @property
  def has_both(self) -> bool:
    """Whether there are clips of the label and of others; else nothing can be told apart."""
    return bool(self.positives.any() and self.negatives.any())


class Gatherer:
  """Takes logits of clips and keeps what the steps of each label need."""

  def __init__(self, num_labels: int, *, exact_numbers: int = EXACT_NUMBERS) -> None:
    self._num_labels = num_labels
    self._exact_numbers = exact_numbers
    self._labels: list[NDArray[np.int64]] = []
    self._scores: list[NDArray[np.float64]] = []  # [clips, labels] each.
    self._num_held = 0
    # [of the label, all], once there are too many.
    self._bins: NDArray[np.int64] | None = None

  def add(
    self, labels: NDArray[np.int64], logits: NDArray[np.float32], sums: NDArray[np.float64]
  ) -> None:
    """Takes some clips.

    Args:
      labels: Indices of their labels, [clips].
      logits: [clips, labels].
      sums: Ln of the sum of exp(logit) of each, [clips].
    """
    scores = log_odds(logits - sums[:, np.newaxis])
    if self._bins is not None:
      self._count(labels, scores)
      return
    self._labels.append(labels)
    self._scores.append(scores)
    self._num_held += scores.size
    if self._num_held > self._exact_numbers:
      self._bins = np.zeros([2, self._num_labels * NUM_BINS], np.int64)
      for some_labels, some in zip(self._labels, self._scores, strict=True):
        self._count(some_labels, some)
      self._labels, self._scores = [], []

  def steps(self, label: int) -> Steps:
    """Returns the steps of one label."""
    if self._bins is None:
      labels = np.concatenate(self._labels) if self._labels else np.zeros(0, np.int64)
      columns = [scores[:, label] for scores in self._scores]
      scores = np.concatenate(columns) if columns else np.zeros(0)
      return exact_steps(labels == label, scores)
    part = slice(label * NUM_BINS, (label + 1) * NUM_BINS)
    positives, everything = self._bins[:, part]
    used = np.flatnonzero(everything)
    thresholds = _MOST - (used + 1) * (2 * _MOST / NUM_BINS)
    return Steps(thresholds, positives[used], (everything - positives)[used], is_exact=False)

  def _count(self, labels: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
    assert self._bins is not None
    bins = np.floor((_MOST - scores) * (NUM_BINS / (2 * _MOST))).astype(np.int64)
    np.clip(bins, 0, NUM_BINS - 1, out=bins)
    bins += np.arange(self._num_labels) * NUM_BINS
    size = self._bins.shape[1]
    self._bins[0] += np.bincount(bins[np.arange(len(labels)), labels], minlength=size)
    self._bins[1] += np.bincount(bins.reshape(-1), minlength=size)


def exact_steps(is_positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Steps:
  """Returns the steps of scores, a step for each value of them; [clips] each."""
  order = np.argsort(-scores, kind='stable')
  ordered, positive = scores[order], is_positive[order]
  starts = np.flatnonzero(np.diff(ordered, prepend=np.inf))
  if not len(starts):
    nothing = np.zeros(0, np.int64)
    return Steps(np.zeros(0), nothing, nothing, is_exact=True)
  positives = np.add.reduceat(positive.astype(np.int64), starts)
  sizes = np.diff(starts, append=len(ordered))
  return Steps(ordered[starts], positives, sizes - positives, is_exact=True)


def log_odds(log_probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns ln(p / (1 - p)) of ln(p)."""
  below = np.minimum(log_probabilities, -np.finfo(np.float64).eps)
  odds: NDArray[np.float64] = np.round(below - np.log(-np.expm1(below)), _DECIMALS)
  return odds


def probabilities(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns the probability that is at each log-odds."""
  found: NDArray[np.float64] = special.expit(thresholds)
  return found
