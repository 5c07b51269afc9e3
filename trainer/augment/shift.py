"""Earlier or later, with silence where nothing is left."""

from __future__ import annotations

import dataclasses

from features.augmentations import time_shift
from trainer.augment import augmentation
from trainer.lazy import tf


def apply(
  examples: augmentation.Examples,
  settings: time_shift.TimeShift,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Moves each clip by whole samples; what leaves it is gone, zeros follow it."""
  lengths = examples.lengths()[:, tf.newaxis]  # [batch, 1]
  limits = tf.minimum(round(settings.max_shift_s * context.sample_rate_hz), lengths // 2)
  shifts = augmentation.up_to(draws[:, :1], 2 * limits) - limits
  places = tf.range(tf.shape(examples.values)[1])[tf.newaxis]
  sources = places - shifts  # [batch, samples]
  is_there = (sources >= 0) & (sources < lengths) & (places < lengths)
  last = tf.maximum(0, tf.shape(examples.values)[1] - 1)
  moved = tf.gather(examples.values, tf.clip_by_value(sources, 0, last), batch_dims=1)
  return dataclasses.replace(examples, values=tf.where(is_there, moved, 0.0))


AUGMENTATION = augmentation.Augmentation(
  settings=time_shift.TimeShift,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.SAMPLES,
  identity={'max_shift_s': 0.0},
)
