"""What comes of some examples: the form in which a model's answers are counted, and reported."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special


class Judged(NamedTuple):
  """What comes of some examples: sums over them, then a value for each.

  Attributes:
    loss_sum: float32 [].
    by_label: int64 [3, labels]; see measures.Counts.
    confusion: int64 [labels, labels], or [0, 0] where it is not counted.
    labels: int64 [examples].
    answers: The labels of the highest logits, int64 [examples].
    losses: Cross-entropies in nats, float32 [examples].
    probabilities: What the model gives its answers, float32 [examples].
  """

  loss_sum: Any
  by_label: Any
  confusion: Any
  labels: Any
  answers: Any
  losses: Any
  probabilities: Any


def of_logits(labels: NDArray[np.int64], logits: NDArray[np.float32]) -> Judged:
  """Returns the same as judge.of_logits does for tensors, as arrays and without TensorFlow.

  Args:
    labels: int64 [examples].
    logits: float32 [examples, labels].
  """
  num_labels = logits.shape[-1]
  answers = logits.argmax(axis=-1)
  by_label = np.stack(
    [
      np.bincount(some, minlength=num_labels)
      for some in (labels[labels == answers], labels, answers)
    ]
  ).astype(np.int64)
  pairs = np.bincount(labels * num_labels + answers, minlength=num_labels**2)
  log_probabilities = special.log_softmax(logits.astype(np.float64), axis=-1)
  losses = -np.take_along_axis(log_probabilities, labels[:, np.newaxis], axis=-1)[:, 0]
  return Judged(
    loss_sum=losses.sum().astype(np.float32),
    by_label=by_label,
    confusion=pairs.reshape(num_labels, num_labels).astype(np.int64),
    labels=labels,
    answers=answers,
    losses=losses.astype(np.float32),
    probabilities=np.exp(log_probabilities.max(axis=-1)).astype(np.float32),
  )
