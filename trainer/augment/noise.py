"""Noise at a drawn distance below each clip: white, or recorded."""

from __future__ import annotations

import dataclasses
import functools

from features.decoding import held_recordings
from tfrecords import paths
from trainer.augment import augmentation, bank
from trainer.lazy import tf

# A draw has 23 bits: as an integer, half of a seed.
_SEED_STEPS = 2.0**23
# What is quieter than half a step of 16 bits is padding, or what was left of it.
_NOTHING = 2.0**-16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noise(augmentation.Settings):
  """Settings of the noise.

  Attributes:
    min_snr_db: Least distance between the clip's mean power and that of the noise, in dB.
    max_snr_db: Greatest distance. Silence stays silent.
    folder: Recordings of noise on this machine, of which each clip gets a piece; nothing: white
      noise. Taken are the first 80 % of each: what comes behind is for validation and test, where
      clips of silence are made of it.
    max_mb: Of the recordings so much is held in memory, in MiB; of longer ones the beginning.
  """

  LIMITS = {'snr_db': (-60.0, 120.0), 'max_mb': (1, 65_536)}

  min_snr_db: float = 10.0
  max_snr_db: float = 40.0
  folder: str = ''
  max_mb: int = 256


def recordings(settings: Noise, sample_rate_hz: int) -> held_recordings.Held | None:
  """Returns the recordings that are wanted, at a rate; None for white noise.

  Raises:
    ConfigError: if there are none.
  """
  settings = dataclasses.replace(settings, probability=1.0, folder=paths.expand(settings.folder))
  return _read(settings, sample_rate_hz, bank.changed_ns(settings.folder))


@functools.lru_cache(maxsize=2)  # A run asks for the same several times.
def _read(settings: Noise, sample_rate_hz: int, changed_ns: int) -> held_recordings.Held | None:
  del changed_ns  # Only tells a folder from what it was before.
  if not settings.folder:
    return None
  return held_recordings.read(
    settings.folder,
    sample_rate_hz,
    window=held_recordings.TRAIN_WINDOW,
    max_bytes=settings.max_mb << 20,
    without_silence=True,
    said_by='a folder of recordings: --augment=noise:folder=FOLDER',
    elsewhere=(
      'Or let the data job mix them into copies of the clips, which reads buckets: --augment='
      f'background_noise:folder={settings.folder} --augment_copies=1.'
    ),
  )


def pick(
  recorded: bank.Bank, settings: Noise, draws: tf.Tensor, num_samples: tf.Tensor
) -> tf.Tensor:
  """Returns a piece of a recording for each clip, int16 [batch, num_samples]."""
  del settings
  return recorded.pieces(draws[:, 1], draws[:, 2], num_samples)


def apply(
  examples: augmentation.Examples,
  settings: Noise,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Adds noise to each clip, uniform in dB below it.

  The power of the clip is the mean of its squares from its first sound to its last: padding does
  not count, as in the data job. That of recorded noise is the mean over what is mixed in; a piece
  of nothing but zeros leaves the clip as it is.
  """
  del context
  values = examples.values
  snr_db = augmentation.between(draws[:, :1], settings.min_snr_db, settings.max_snr_db)
  real = tf.cast(examples.is_real(), values.dtype)  # [batch, samples]
  level = tf.sqrt(_sounding_power(values)) * tf.pow(10.0, -snr_db / 20)  # [batch, 1]
  size = tf.shape(values)[1]
  if examples.picked is None:
    seeds = tf.cast(draws[:, 1:3] * _SEED_STEPS, tf.int32)
    noise = _white(seeds, size)
  else:
    noise = augmentation.repeated(examples.picked, size)
    count = tf.maximum(tf.reduce_sum(real, axis=1, keepdims=True), 1.0)
    power = tf.reduce_sum(tf.square(noise) * real, axis=1, keepdims=True) / count
    noise = tf.where(power > 0, noise * tf.math.rsqrt(tf.maximum(power, 1e-30)), 0.0)
  noise = tf.ensure_shape(noise, values.shape)
  return dataclasses.replace(examples, values=values + level * noise * real)


def _sounding_power(values: tf.Tensor) -> tf.Tensor:
  """Returns the mean power of each clip from its first sound to its last, [batch, 1]."""
  is_sound = tf.abs(values) > _NOTHING
  places = tf.range(tf.shape(values)[1])[tf.newaxis]
  first = tf.reduce_min(tf.where(is_sound, places, tf.shape(values)[1]), axis=1, keepdims=True)
  last = tf.reduce_max(tf.where(is_sound, places, -1), axis=1, keepdims=True)
  count = tf.cast(tf.maximum(last - first + 1, 1), values.dtype)
  heard = tf.where(is_sound, values, 0.0)
  return tf.reduce_sum(tf.square(heard), axis=1, keepdims=True) / count


def _white(seeds: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
  """Returns float32 [batch, num_samples] of mean 0 and variance 1, a row for each seed [2].

  A seed for each, so that a clip's noise does not depend on which devices share the batch.
  """
  return tf.map_fn(
    lambda seed: tf.random.stateless_normal([num_samples], seed),
    seeds,
    fn_output_signature=tf.TensorSpec([None], tf.float32),
    parallel_iterations=32,
  )


AUGMENTATION = augmentation.Augmentation(
  settings=Noise,
  apply=apply,
  num_draws=lambda settings: 3,
  takes=augmentation.SAMPLES,
  identity={'probability': 0.0},
  recordings=recordings,
  pick=pick,
)
