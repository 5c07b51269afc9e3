"""Faster or slower at the same pitch."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.augmentations import augmentation, phase_vocoder, speed


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimeStretch(speed.Speed):
  """Settings of the stretch in time: those of `speed`, and the pitch stays."""

  min_rate: float = 0.8
  max_rate: float = 1.2


def apply(
  samples: NDArray[np.float32],
  sample_rate_hz: int,
  settings: TimeStretch,
  draws: augmentation.Draws,
) -> tuple[NDArray[np.float32], augmentation.Applied]:
  """Returns round(num_samples / rate) samples, at least one, with the frequencies as they were."""
  rate = draws.uniform(settings.min_rate, settings.max_rate, decimals=4)
  window_samples = phase_vocoder.window_samples(sample_rate_hz)
  stretched = phase_vocoder.stretched(samples, rate, window_samples=window_samples)
  return stretched, {'rate': rate}


AUGMENTATION = augmentation.Augmentation(
  settings=TimeStretch, apply=apply, identity={'min_rate': 1, 'max_rate': 1}
)
