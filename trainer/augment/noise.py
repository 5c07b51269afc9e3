"""White noise at a drawn distance below each clip."""

from __future__ import annotations

import dataclasses

from trainer.augment import augmentation
from trainer.lazy import tf

# A draw has 23 bits: as an integer, half of a seed.
_SEED_STEPS = 2.0**23


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noise(augmentation.Settings):
  """Settings of the noise.

  Attributes:
    min_snr_db: Least distance between the clip's mean power and that of the noise, in dB.
    max_snr_db: Greatest distance. Silence stays silent.
  """

  LIMITS = {'snr_db': (-60.0, 120.0)}

  min_snr_db: float = 10.0
  max_snr_db: float = 40.0


def apply(
  examples: augmentation.Examples,
  settings: Noise,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Adds normally distributed noise of another seed to each clip, uniform in dB below it."""
  del context
  values = examples.values
  snr_db = augmentation.between(draws[:, :1], settings.min_snr_db, settings.max_snr_db)
  real = tf.cast(examples.is_real(), values.dtype)  # [batch, samples]
  count = tf.maximum(tf.reduce_sum(real, axis=1, keepdims=True), 1.0)
  power = tf.reduce_sum(tf.square(values) * real, axis=1, keepdims=True) / count
  level = tf.sqrt(power) * tf.pow(10.0, -snr_db / 20)  # [batch, 1]
  seeds = tf.cast(draws[:, 1:3] * _SEED_STEPS, tf.int32)
  noise = _white(seeds, tf.shape(values)[1])
  noise = tf.ensure_shape(noise, values.shape)
  return dataclasses.replace(examples, values=values + level * noise * real)


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
)
