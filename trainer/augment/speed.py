"""Faster or slower, as a tape is: the pitch changes with it."""

from __future__ import annotations

import dataclasses

from features.augmentations import speed as speed_lib
from trainer.augment import augmentation, interpolation, resampler
from trainer.lazy import tf


def apply(
  examples: augmentation.Examples,
  settings: speed_lib.Speed,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Plays each example at a rate of its own.

  Of features the frames are read between one another, and the bins at other frequencies. That is
  what comes of samples that are played so, but for details: energy that was taken together in a
  frame or a band is not taken apart.
  """
  rates = augmentation.between(draws[:, 0], settings.min_rate, settings.max_rate)
  if examples.values.shape.rank == 2:
    return _played(examples, rates, context, slowest=settings.min_rate)
  examples = interpolation.with_rate(examples, rates, context, slowest=settings.min_rate)
  sources_hz = tf.constant(context.bins_hz, tf.float32) / rates[:, tf.newaxis]
  values = interpolation.with_frequencies(examples.values, sources_hz, context)
  return dataclasses.replace(examples, values=values)


def _played(
  examples: augmentation.Examples,
  rates: tf.Tensor,
  context: augmentation.Context,
  *,
  slowest: float,
) -> augmentation.Examples:
  """Returns samples at `rates` times their speed, as interpolation.with_rate does with frames."""
  size = tf.shape(examples.values)[1]
  num_rows, places, is_there = interpolation.new_rows(
    examples.num_rows, size, rates, context, slowest=slowest
  )
  found = resampler.at(examples.values, places, rates[:, tf.newaxis])
  if num_rows is None:
    unchanged = examples.values
  else:
    unchanged = tf.pad(examples.values, [[0, 0], [0, tf.shape(found)[1] - size]])
  found = tf.where(rates[:, tf.newaxis] == 1.0, unchanged, found)  # To the last bit.
  return dataclasses.replace(examples, values=tf.where(is_there, found, 0.0), num_rows=num_rows)


AUGMENTATION = augmentation.Augmentation(
  settings=speed_lib.Speed,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.EITHER,
  identity={'min_rate': 1.0, 'max_rate': 1.0},
  wants=augmentation.FREQUENCIES,
)
