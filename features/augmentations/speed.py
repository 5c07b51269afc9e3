"""Faster or slower, as a tape is: the pitch changes with it."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.augmentations import augmentation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Speed(augmentation.Settings):
  """Settings of the speed.

  Attributes:
    min_rate: Least speed; 0.5 takes twice as long, an octave lower.
    max_rate: Greatest speed; 2 takes half as long, an octave higher.
  """

  LIMITS = {'rate': (0.25, 4.0)}

  min_rate: float = 0.9
  max_rate: float = 1.1


def apply(
  samples: NDArray[np.float32],
  sample_rate_hz: int,
  settings: Speed,
  draws: augmentation.Draws,
) -> tuple[NDArray[np.float32], augmentation.Applied]:
  """Returns round(num_samples / rate) samples, at least one: every frequency is times the rate."""
  rate = draws.uniform(settings.min_rate, settings.max_rate, decimals=4)
  num_samples = max(1, round(len(samples) / rate))
  return resampled(samples, rate, num_samples=num_samples), {'rate': rate}


def resampled(
  samples: NDArray[np.float32], rate: float, *, num_samples: int
) -> NDArray[np.float32]:
  """Returns `samples` at `rate` times their speed, band-limited, cut or filled to `num_samples`."""
  # Here, not above: a job that does not augment need not load the library.
  import soxr

  out = np.zeros(num_samples, np.float32)
  # What was recorded at `rate` samples per second is wanted at 1 per second.
  found = soxr.resample(samples, rate, 1.0, quality='HQ')[:num_samples]
  out[: len(found)] = found
  return out


AUGMENTATION = augmentation.Augmentation(
  settings=Speed, apply=apply, identity={'min_rate': 1, 'max_rate': 1}
)
