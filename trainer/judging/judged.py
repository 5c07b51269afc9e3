"""What comes of some examples, added up: the form in which answers of a validation are counted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from trainer.measures import counting


class Judged(NamedTuple):
  """Sums over some examples, as tensors.

  Attributes:
    loss_sum: float32 [].
    by_label: int64 [3, labels]; see counting.Counts.
    confusion: int64 [labels, labels], or [0, 0] where it is not counted.
  """

  loss_sum: Any
  by_label: Any
  confusion: Any


def of_logits(labels: NDArray[np.int64], logits: NDArray[np.float32]) -> counting.Counts:
  """Returns what judge.of_logits counts, without TensorFlow and without the confusion.

  Args:
    labels: int64 [examples].
    logits: float32 [examples, labels].
  """
  counting.check_numbers(logits)
  num_labels = logits.shape[-1]
  answers = logits.argmax(axis=-1)
  some = (labels[labels == answers], labels, answers)
  by_label = np.stack([np.bincount(one, minlength=num_labels) for one in some]).astype(np.int64)
  log_probabilities = special.log_softmax(logits.astype(np.float64), axis=-1)
  losses = -np.take_along_axis(log_probabilities, labels[:, np.newaxis], axis=-1)
  return counting.Counts(loss_sum=float(losses.sum()), by_label=by_label, confusion=None)
