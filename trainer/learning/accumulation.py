"""Gradients of the parts of a batch that the memory cannot hold, added up to that of the whole.

Keras's optimizers can add up gradients by themselves (gradient_accumulation_steps), but then what
belongs to a step happens to each part: loss scaling drops the one part that overflows and goes on
with the others, the whole gradient is nowhere to be clipped, and parts of unequal size count alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf


class Sums:
  """What the parts of the step under way have come to, each replica's own."""

  def __init__(
    self, variables: Sequence[keras.Variable], strategy: tf.distribute.Strategy, *, num_parts: int
  ) -> None:
    """Takes what is trained.

    Args:
      variables: Made in strategy.scope().
      strategy: Whose replicas add.
      num_parts: Of a whole batch.
    """
    self._num_parts = num_parts
    self._has_gradient = [True] * len(variables)

    def zeros(shape: tuple[int, ...]) -> tf.Variable:
      return tf.Variable(
        tf.zeros(shape),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
      )

    with strategy.scope():
      self._sums = [zeros(variable.shape) for variable in variables]
      self._count = zeros(())

  def add(self, gradients: Sequence[tf.Tensor | None], count: tf.Tensor) -> None:
    """Adds a part's; on a replica, in a graph.

    Args:
      gradients: Of the part's mean loss, divided by the number of parts.
      count: The part's examples on all replicas, float32.
    """
    self._has_gradient = [gradient is not None for gradient in gradients]
    for total, gradient in zip(self._sums, gradients, strict=True):
      if gradient is not None:
        total.assign_add(tf.cast(gradient, tf.float32) * count)
    self._count.assign_add(count)

  def take(self) -> list[tf.Tensor | None]:
    """Returns the gradient of the mean loss over the whole batch, and begins anew; as `add`."""
    factor = self._num_parts / tf.identity(self._count)
    whole = [
      tf.identity(total) * factor if has_gradient else None
      for total, has_gradient in zip(self._sums, self._has_gradient, strict=True)
    ]
    read = [gradient for gradient in whole if gradient is not None]
    with tf.control_dependencies([factor, *read]):
      for total in (*self._sums, self._count):
        total.assign(tf.zeros_like(total))
    return whole
