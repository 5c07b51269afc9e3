"""Noise mixed in at a signal-to-noise ratio."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from features.augmentations import augmentation
from features.portable import elementary
from schemas import errors

NO_NOISE = {'snr_db': math.inf}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackgroundNoise(augmentation.Settings):
  """Settings of the noise.

  Attributes:
    min_snr_db: Least ratio of the mean power of the audio to that of the noise, in dB.
    max_snr_db: Greatest ratio.
    silence_db: Root mean square of the noise in a clip that is nothing but zeros, which has no
      such ratio; in dB of full scale.
    folder: Folder of noise recordings; nothing: the noise of the corpus.
  """

  LIMITS = {'snr_db': (-60.0, 100.0)}

  min_snr_db: float = 0.0
  max_snr_db: float = 20.0
  silence_db: float = -40.0
  folder: str = ''

  def __post_init__(self) -> None:
    super().__post_init__()
    if not -120 <= self.silence_db <= 0:
      raise errors.FeatureError(
        f'silence_db must be in [-120, 0], 0 is full scale, got {self.silence_db}.'
      )


def apply(
  samples: NDArray[np.float32],
  sample_rate_hz: int,
  settings: BackgroundNoise,
  draws: augmentation.Draws,
) -> tuple[NDArray[np.float32], augmentation.Applied]:
  """Returns `samples` plus noise over their whole length, scaled to the drawn ratio.

  The power of the audio is the mean of its squares from the first sample that is not zero to the
  last: padding and what a shift in time has left empty do not count. That of the noise is the mean
  over all that is mixed in. Noise that is itself nothing but zeros leaves the clip as it is; the
  ratio is then recorded as infinite (NO_NOISE).
  """
  snr_db = draws.uniform(settings.min_snr_db, settings.max_snr_db, decimals=2)
  noise = draws.noise(len(samples))
  noise_power = _mean_power(noise)
  if not noise_power:
    return samples.copy(), NO_NOISE
  power = _mean_power(np.trim_zeros(samples))
  if power:
    applied = {'snr_db': snr_db}
    wanted = power / elementary.power(10, snr_db / 10)
  else:
    applied = {'noise_db': settings.silence_db}
    wanted = elementary.power(10, settings.silence_db / 10)
  # In double precision: very quiet noise takes a factor that float32 does not hold.
  scaled = noise.astype(np.float64) * math.sqrt(wanted / noise_power)
  return (samples + scaled).astype(np.float32), applied


def _mean_power(samples: NDArray[np.float32]) -> float:
  """Mean of the squares, in double precision; 0 for no samples."""
  return float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0


AUGMENTATION = augmentation.Augmentation(
  settings=BackgroundNoise,
  apply=apply,
  identity={'min_snr_db': 100, 'max_snr_db': 100, 'silence_db': -120},
  needs_noise=True,
)
