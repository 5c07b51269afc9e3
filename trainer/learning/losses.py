"""What training makes small: cross-entropy, with smoothed labels, weighted classes, a teacher."""

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
    teacher_weight: Share of the loss that is the distance from a teacher, where there is one.
    teacher_temperature: What the logits of both are divided by for that, so that labels that are
      not quite wrong show.
  """

  label_smoothing: float = 0.0
  class_weights: Sequence[float] | None = None
  teacher_weight: float = 0.0
  teacher_temperature: float = 1.0

  def training(
    self, labels: tf.Tensor, logits: tf.Tensor, taught: tf.Tensor | None = None
  ) -> tf.Tensor:
    """Returns the loss of each example, float32 [batch].

    Args:
      labels: int64 [batch].
      logits: float32 [batch, num_labels].
      taught: The teacher's logits, float32 [batch, num_labels], if there is one.
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    if self.label_smoothing:
      # Linear in the labels: the cross-entropy to a uniform distribution, mixed in.
      uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
      losses = (1 - self.label_smoothing) * losses + self.label_smoothing * uniform
    if taught is not None:
      distances = _distances(logits, taught, temperature=self.teacher_temperature)
      losses = (1 - self.teacher_weight) * losses + self.teacher_weight * distances
    if self.class_weights is not None:
      weights = tf.constant(self.class_weights, tf.float32)
      losses *= tf.gather(weights, labels)
    return losses


def _distances(logits: tf.Tensor, taught: tf.Tensor, *, temperature: float) -> tf.Tensor:
  """Returns how far each example's labels are from the teacher's, float32 [batch].

  The Kullback-Leibler divergence of softened labels, times the square of the temperature: without
  it the gradient would shrink by that (Hinton et al. 2015, section 2).
  """
  theirs = tf.nn.log_softmax(taught / temperature)
  ours = tf.nn.log_softmax(logits / temperature)
  return temperature**2 * tf.reduce_sum(tf.exp(theirs) * (theirs - ours), axis=-1)
