"""What a replica needs for its part of a step, beside the model."""

from __future__ import annotations

import time
from collections.abc import Mapping

import tensorflow as tf

from schemas import record

_SUM = tf.distribute.ReduceOp.SUM


def clock_s() -> tf.Tensor:
  """Returns the seconds of a clock when the operation runs, float64 [].

  Python's (some 20 us): TensorFlow refuses its own where runs are to be deterministic.
  """
  return tf.ensure_shape(tf.numpy_function(time.perf_counter, [], tf.float64), [])


def labels_apart(batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
  """Returns the labels of a replica's part, [part], and all else of it, [max(part, 1), ...]."""
  examples = {name: at_least_one(x) for name, x in batch.items() if name != record.LABEL}
  return batch[record.LABEL], examples


def at_least_one(examples: tf.Tensor) -> tf.Tensor:
  """Returns the examples [part, ...], or one of zeros if the part is empty.

  Not every kernel takes an empty batch: TensorFlow's convolution with a fused ReLU gives it a wrong
  shape on CPUs, and the step fails.
  """
  # No branch: with XLA its result has sizes that are known only later, and what is computed of them
  # (how many values are no padding) came out wrong.
  missing = tf.cast(tf.equal(tf.shape(examples)[0], 0), tf.int32)
  zeros = tf.zeros(tf.concat([[missing], tf.shape(examples)[1:]], axis=0), examples.dtype)
  return tf.ensure_shape(tf.concat([examples, zeros], axis=0), [None, *examples.shape[1:]])


def with_shared_overflow(
  gradients: list[tf.Tensor | None], replica: tf.distribute.ReplicaContext
) -> tuple[list[tf.Tensor | None], tf.Tensor]:
  """Returns the gradients, all NaN on every replica if they overflowed on any of them; and whether.

  Keras's LossScaleOptimizer asks the first replica alone whether to skip the step. Where only
  another overflowed, it would add infinity to the weights for good.
  """
  finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients if g is not None]
  overflows = tf.cast(tf.logical_not(tf.reduce_all(finite)), tf.float32)
  any_overflow = replica.all_reduce(_SUM, overflows) > 0
  poison = tf.where(any_overflow, float('nan'), 0.0)
  return [g if g is None else g + tf.cast(poison, g.dtype) for g in gradients], any_overflow
