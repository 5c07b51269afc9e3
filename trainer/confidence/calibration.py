"""Whether a model is right as often as it says: reliability bins, and how far they are off."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.predictions import parquet_reader

NUM_BINS = 15


class Reliability:
  """Clips, by the probability that the model gives its answer.

  Bins are of equal width, and a bin holds its upper end: (0, 1/15], (1/15, 2/15], ...

  Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), sections 2 and 4.
  """

  def __init__(self, temperature: float = 1.0) -> None:
    """Takes what logits are divided by before they become probabilities."""
    self._inverse_temperature = 1 / temperature
    self._counts = np.zeros(NUM_BINS, np.int64)
    self._num_correct = np.zeros(NUM_BINS, np.int64)
    self._confidences = np.zeros(NUM_BINS)
    self._loss_sum = 0.0

  def add(self, batch: parquet_reader.Batch) -> None:
    """Counts some clips, whose labels the model knows."""
    sums = batch.scaled_log_sums(self._inverse_temperature).values
    below = batch.label_logits.astype(np.float64) - batch.highest_logits
    self._loss_sum += float(np.maximum(0, sums - self._inverse_temperature * below).sum())
    self.add_confidences(np.exp(-sums), batch.answers == batch.labels)

  def add_confidences(self, confidences: NDArray[np.float64], is_right: NDArray[np.bool_]) -> None:
    """Counts clips by the probability of the answer, and by whether it is right."""
    bins = np.clip(np.ceil(confidences * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    self._counts += np.bincount(bins, minlength=NUM_BINS)
    self._num_correct += np.bincount(bins[is_right], minlength=NUM_BINS)
    self._confidences += np.bincount(bins, confidences, minlength=NUM_BINS)

  @property
  def num_examples(self) -> int:
    """How many clips were counted."""
    return int(self._counts.sum())

  @property
  def loss(self) -> float:
    """Mean cross-entropy at the temperature, in nats."""
    return self._loss_sum / max(1, self.num_examples)

  @property
  def ece(self) -> float:
    """Expected calibration error, in [0, 1].

    The mean over the bins of the distance between the share that is right and the mean
    probability, each bin weighted by its clips.
    """
    return float(np.abs(self._num_correct - self._confidences).sum()) / max(1, self.num_examples)

  def to_json(self) -> dict[str, Any]:
    """Returns what a report says: the error, the loss, and the bins; an empty one has no means."""
    return {'ece': self.ece, 'loss': self.loss, 'bins': [self._bin(i) for i in range(NUM_BINS)]}

  def _bin(self, i: int) -> dict[str, Any]:
    count = int(self._counts[i])
    return {
      'low': i / NUM_BINS,
      'high': (i + 1) / NUM_BINS,
      'num_examples': count,
      'confidence': float(self._confidences[i]) / count if count else None,
      'accuracy': int(self._num_correct[i]) / count if count else None,
    }
