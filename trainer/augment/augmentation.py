"""What a member of the trainer's augmentation family is: settings, and what is done to a batch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from features.augmentations import augmentation as augmentation_lib
from features.decoding import held_recordings
from trainer.lazy import tf

# What every augmentation can be told is the same in the data job: `probability`.
Settings = augmentation_lib.Settings

# What the values of a batch are when an augmentation meets them.
BATCH = 'batch'  # A whole batch as it was read, before devices share it.
SAMPLES = 'samples'  # Audio, [batch, samples].
FEATURES = 'features'  # What the network takes, [batch, rows, bins] or with channels behind.
EITHER = 'either'  # Samples where they are read, else features of frames, [batch, frames, bins].

# What an augmentation wants of features, from little to much.
ANY = 'any'
BINS = 'bins'  # At least [rows, bins].
FREQUENCIES = 'frequencies'  # Frames of bins whose frequencies are known: Feature.bins_hz.


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
  """Some examples of the train split.

  Attributes:
    values: float32 [batch, ...]: samples in [-1, 1], or features.
    num_rows: Rows of each that are no padding, int32 [batch]; None where all are full.
    other_label: int64 [batch]: a second label that holds too, or None.
    other_share: float32 [batch]: how much of the example it is, in [0, 0.5].
    picked: int16 [batch, ...]: what each was given of recordings, where there are any.
  """

  values: tf.Tensor
  num_rows: tf.Tensor | None = None
  other_label: tf.Tensor | None = None
  other_share: tf.Tensor | None = None
  picked: tf.Tensor | None = None

  def lengths(self) -> tf.Tensor:
    """Returns the rows of each that are no padding, int32 [batch]."""
    if self.num_rows is not None:
      return tf.cast(self.num_rows, tf.int32)
    shape = tf.shape(self.values)
    return tf.fill([shape[0]], shape[1])

  def is_real(self) -> tf.Tensor:
    """Returns which rows are no padding, bool [batch, rows]."""
    return tf.range(tf.shape(self.values)[1])[tf.newaxis] < self.lengths()[:, tf.newaxis]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
  """What of the data set an augmentation may need to know.

  Attributes:
    sample_rate_hz: Of the audio; 0 for pictures.
    reads_samples: Whether audio is read; else features are.
    fill: What stands for nothing, one value per bin: the mean of the train split, which the
      model's normalisation turns into 0. Empty: each example's own mean.
    silence: The feature of a frame of zeros, one value per bin. Empty: zeros.
    bins_hz: The frequency of each bin, rising; empty where bins are something else.
    anchor: Which point of a clip of fixed length stays where it is when it gets faster or slower,
      as a share of its length: that at which the data job cuts and pads.
    most_rows: Rows, or samples, of the longest clip of the train split, where clips have lengths of
      their own: none gets longer, as there are models that take no more. 0: they may.
  """

  sample_rate_hz: int = 0
  reads_samples: bool = False
  fill: tuple[float, ...] = ()
  silence: tuple[float, ...] = ()
  bins_hz: tuple[float, ...] = ()
  anchor: float = 0.0
  most_rows: int = 0


# Examples, settings, uniform numbers in [0, 1) as float32 [batch, num_draws], context -> the
# examples changed, each as if probability were 1.
Apply = Callable[[Examples, Any, 'tf.Tensor', Context], Examples]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
  """One kind of augmentation: a line in the table AUGMENTATIONS.

  Attributes:
    settings: Frozen, keyword-only dataclass of int, float, str and bool fields, with `probability`.
    apply: Changes examples by the numbers drawn for them and by nothing else, of the same shape and
      dtype. It leaves padding as it is, and is made of TensorFlow operations alone. One that
      changes how long clips are gives them `num_rows` of their own where they have any, and more
      room behind if need be; else it cuts and fills.
    num_draws: How many numbers an example needs, from the settings.
    takes: BATCH, SAMPLES, FEATURES or EITHER.
    identity: Settings under which examples stay as they are, to the last bit.
    wants: Of features: ANY, BINS or FREQUENCIES.
    recordings: From settings and samples per second to the recordings that it needs, or None;
      ConfigError where they are not there.
    pick: From these, settings, the numbers drawn and the samples of a clip to what each example
      gets of them.
  """

  settings: type
  apply: Apply
  num_draws: Callable[[Any], int]
  takes: str
  identity: Mapping[str, float]
  wants: str = ANY
  recordings: Callable[[Any, int], held_recordings.Held | None] | None = None
  pick: Callable[[Any, Any, tf.Tensor, tf.Tensor], tf.Tensor] | None = None


def between(draws: tf.Tensor, low: float, high: float) -> tf.Tensor:
  """Returns numbers of [0, 1) spread over [low, high)."""
  return low + (high - low) * draws


def up_to(draws: tf.Tensor, limits: tf.Tensor) -> tf.Tensor:
  """Returns numbers of [0, 1) as whole numbers from 0 to `limits` (int32, included), int32."""
  found = tf.cast(draws * (tf.cast(limits, tf.float32) + 1), tf.int32)
  return tf.minimum(found, limits)  # float32 may round a product up.


def power_of_two(least: tf.Tensor) -> tf.Tensor:
  """Returns the next power of two, int32: such Fourier transforms are quick."""
  exponent = tf.math.ceil(tf.math.log(tf.cast(least, tf.float64)) / math.log(2) - 1e-9)
  return tf.cast(tf.round(tf.pow(tf.constant(2, tf.float64), exponent)), tf.int32)


def repeated(picked: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
  """Returns what was picked as float32 [batch, size]: from its start again where it is shorter."""
  places = tf.range(size) % tf.shape(picked)[1]
  return tf.gather(tf.cast(picked, tf.float32), places, axis=1)


def fill(examples: Examples, context: Context) -> tf.Tensor:
  """Returns what stands for nothing in examples, of a shape that spreads over their values."""
  values = examples.values
  if context.fill:  # Per bin, the last axis.
    return tf.constant(context.fill, values.dtype)
  axes = list(range(1, values.shape.rank))
  real = examples.is_real()  # [batch, rows]
  for _ in axes[1:]:
    real = real[..., tf.newaxis]
  real = tf.cast(tf.broadcast_to(real, tf.shape(values)), values.dtype)
  count = tf.maximum(tf.reduce_sum(real, axis=axes, keepdims=True), 1.0)
  return tf.reduce_sum(values * real, axis=axes, keepdims=True) / count
