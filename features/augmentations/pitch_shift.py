"""Higher or lower, at the same speed."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.augmentations import augmentation, phase_vocoder, speed
from features.portable import elementary


@dataclasses.dataclass(frozen=True, kw_only=True)
class PitchShift(augmentation.Settings):
  """Settings of the shift in pitch.

  Attributes:
    max_semitones: Greatest shift, in either direction; 12 semitones are an octave.
  """

  LIMITS = {'max_semitones': (0.0, 24.0)}  # Two octaves: rates of the phase vocoder of 1/4 to 4.

  max_semitones: float = 2.0


def apply(
  samples: NDArray[np.float32],
  sample_rate_hz: int,
  settings: PitchShift,
  draws: augmentation.Draws,
) -> tuple[NDArray[np.float32], augmentation.Applied]:
  """Returns as many samples, every frequency times 2^(semitones / 12)."""
  limit = settings.max_semitones
  semitones = draws.uniform(-limit, limit, decimals=3)
  window_samples = phase_vocoder.window_samples(sample_rate_hz)
  return shifted(samples, semitones, window_samples=window_samples), {'semitones': semitones}


def shifted(
  samples: NDArray[np.float32], semitones: float, *, window_samples: int
) -> NDArray[np.float32]:
  """Returns `samples` stretched, then played so fast that they are as long as they were.

  Source: librosa.effects.pitch_shift does the same.
  """
  rate = elementary.power(2, -semitones / 12)
  stretched = phase_vocoder.stretched(samples, rate, window_samples=window_samples)
  return speed.resampled(stretched, 1 / rate, num_samples=len(samples))


AUGMENTATION = augmentation.Augmentation(
  settings=PitchShift, apply=apply, identity={'max_semitones': 0}
)
