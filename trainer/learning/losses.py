"""What training makes small: cross-entropy, with smoothed labels and weighted classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Losses:
  """The loss of training; that of evaluation is plain cross-entropy.

  Attributes:
    label_smoothing: Share of every label's weight that is spread over all labels, in [0, 1).
    class_weights: One factor per label for the losses of its examples; None for 1 everywhere.
  """

  label_smoothing: float = 0.0
  class_weights: Sequence[float] | None = None

  def training(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the loss of each example, float32 [batch].

    Args:
      labels: int64 [batch].
      logits: float32 [batch, num_labels].
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    if self.label_smoothing:
      # Linear in the labels: the cross-entropy to a uniform distribution, mixed in.
      uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
      losses = (1 - self.label_smoothing) * losses + self.label_smoothing * uniform
    if self.class_weights is not None:
      weights = tf.constant(self.class_weights, tf.float32)
      losses *= tf.gather(weights, labels)
    return losses
