"""Features between their frames and between their bins, linear: time and frequency are warped."""

from __future__ import annotations

import dataclasses

from trainer.augment import augmentation
from trainer.lazy import tf


def with_rate(
  examples: augmentation.Examples,
  rates: tf.Tensor,
  context: augmentation.Context,
  *,
  slowest: float,
) -> augmentation.Examples:
  """Returns the frames of each example at `rates` times its speed.

  Where clips have lengths of their own, round(rows / rate) rows come of each, at least one; what is
  then longer than the longest of the data set is cut. Clips of one length stay so: what no longer
  fits is cut, and silence stands where nothing is left.

  Args:
    examples: Of values [batch, frames, bins].
    rates: float32 [batch].
    context: For the point that stays where it is, and for silence.
    slowest: Least rate that there can be.
  """
  values = examples.values
  size = tf.shape(values)[1]
  num_rows, places, is_there = new_rows(examples.num_rows, size, rates, context, slowest=slowest)
  last = tf.cast(examples.lengths() - 1, tf.float32)[:, tf.newaxis]
  places = tf.clip_by_value(tf.cast(places, tf.float32), 0.0, last)
  found = _between(values, places, axis=1)
  if context.silence and num_rows is None:
    nothing = tf.constant(context.silence, values.dtype)
  else:
    nothing = tf.zeros([], values.dtype)
  found = tf.where(is_there[..., tf.newaxis], found, nothing)
  return dataclasses.replace(examples, values=found, num_rows=num_rows)


def new_rows(
  num_rows: tf.Tensor | None,
  size: tf.Tensor,
  rates: tf.Tensor,
  context: augmentation.Context,
  *,
  slowest: float,
) -> tuple[tf.Tensor | None, tf.Tensor, tf.Tensor]:
  """Returns what rows, or samples, of another speed are made of.

  Args:
    num_rows: Rows of each that are no padding, int32 [batch]; None where all are full.
    size: Rows that there is room for.
    rates: Of the speed, float32 [batch].
    context: For the point that stays where it is, and for what is too long.
    slowest: Least rate that there can be.

  Returns:
    The rows of each, or None as before; the place in the old rows of each of the new, float64
    [batch, new size], as float32 has not enough digits for long clips; whether anything is there,
    bool [batch, new size].
  """
  rates = tf.cast(rates, tf.float64)[:, tf.newaxis]
  full = tf.cast(size, tf.float64)
  if num_rows is None:
    fixed = context.anchor * (full - 1)
    places = fixed + (tf.range(full) - fixed) * rates
    # Half a row beyond the ends is still nearer to one than to nothing.
    return None, places, (places >= -0.5) & (places <= full - 0.5)
  room = tf.cast(tf.math.ceil(full / min(1.0, slowest)), tf.int32)
  if context.most_rows:
    room = tf.minimum(room, tf.maximum(size, context.most_rows))
  lengths = tf.cast(num_rows, tf.float64)[:, tf.newaxis]
  lengths = tf.clip_by_value(tf.cast(tf.round(lengths / rates), tf.int32), 1, room)
  targets = tf.range(room)[tf.newaxis]
  return lengths[:, 0], tf.cast(targets, tf.float64) * rates, targets < lengths


def with_frequencies(
  values: tf.Tensor, sources_hz: tf.Tensor, context: augmentation.Context
) -> tf.Tensor:
  """Returns values [batch, frames, bins] in which each bin has what stood at another frequency.

  Beyond the lowest and the highest bin stands what they have.

  Args:
    values: As they are.
    sources_hz: Where each bin takes its values, float32 [batch, bins].
    context: For the frequencies of the bins.
  """
  bins_hz = tf.constant(context.bins_hz, tf.float32)
  num_bins = len(context.bins_hz)
  if num_bins < 2:
    return values
  sources_hz = tf.clip_by_value(sources_hz, bins_hz[0], bins_hz[-1])
  below = tf.searchsorted(bins_hz, tf.reshape(sources_hz, [-1]), side='right') - 1
  below = tf.minimum(tf.reshape(below, tf.shape(sources_hz)), num_bins - 2)
  low, high = tf.gather(bins_hz, below), tf.gather(bins_hz, below + 1)
  return _between(values, tf.cast(below, tf.float32) + (sources_hz - low) / (high - low), axis=2)


def _between(values: tf.Tensor, places: tf.Tensor, *, axis: int) -> tf.Tensor:
  """Returns values at places between those of an axis, linear.

  Args:
    values: [batch, frames, bins].
    places: Not outside, float32 [batch, new size].
    axis: 1 or 2.
  """
  below = tf.cast(tf.floor(places), tf.int32)
  share = places - tf.cast(below, tf.float32)
  share = share[:, :, tf.newaxis] if axis == 1 else share[:, tf.newaxis]
  above = tf.minimum(below + 1, tf.shape(values)[axis] - 1)
  low = tf.gather(values, below, axis=axis, batch_dims=1)
  high = tf.gather(values, above, axis=axis, batch_dims=1)
  # Not low + share * (high - low): so that share 0 is what is there, to the last bit.
  return (1 - share) * low + share * high
