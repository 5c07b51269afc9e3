"""Louder or quieter."""

from __future__ import annotations

import dataclasses

from features.augmentations import gain as gain_lib
from trainer.augment import augmentation
from trainer.lazy import tf


def apply(
  examples: augmentation.Examples,
  settings: gain_lib.Gain,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Multiplies each clip by a factor, uniform in dB."""
  del context
  gain_db = augmentation.between(draws[:, :1], settings.min_db, settings.max_db)  # [batch, 1]
  factor = tf.pow(10.0, gain_db / 20)
  return dataclasses.replace(examples, values=examples.values * factor)


AUGMENTATION = augmentation.Augmentation(
  settings=gain_lib.Gain,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.SAMPLES,
  identity={'min_db': 0.0, 'max_db': 0.0},
)
