"""Earlier or later, with silence where nothing is left."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from features.augmentations import augmentation

MAX_SHIFT_S = 60.0
_DECIMALS = 4  # Shifts are drawn in steps of 0.1 ms.


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimeShift(augmentation.Settings):
  """Settings of the shift in time.

  Attributes:
    max_shift_s: Greatest shift, in seconds, in either direction. A clip is shifted by half of its
      length at most, so that something of it stays.
  """

  max_shift_s: float = 0.1

  def __post_init__(self) -> None:
    super().__post_init__()
    augmentation.check_at_most(self.max_shift_s, name='max_shift_s', limit=MAX_SHIFT_S)


def apply(
  samples: NDArray[np.float32],
  sample_rate_hz: int,
  settings: TimeShift,
  draws: augmentation.Draws,
) -> tuple[NDArray[np.float32], augmentation.Applied]:
  """Returns as many samples, moved by the whole samples nearest to the drawn seconds.

  Positive seconds move the sound to a later time. What leaves the clip is gone; zeros follow it.
  """
  half_s = math.floor(len(samples) / 2 / sample_rate_hz * 10**_DECIMALS) / 10**_DECIMALS
  limit_s = min(settings.max_shift_s, half_s)
  shift_s = draws.uniform(-limit_s, limit_s, decimals=_DECIMALS)
  return shifted(samples, round(shift_s * sample_rate_hz)), {'shift_s': shift_s}


def shifted(samples: NDArray[np.float32], shift_samples: int) -> NDArray[np.float32]:
  """Returns `samples`, the first of them at index `shift_samples` (which may be negative)."""
  out = np.zeros_like(samples)
  num_kept = max(0, len(samples) - abs(shift_samples))
  to = max(0, shift_samples)
  start = max(0, -shift_samples)
  out[to : to + num_kept] = samples[start : start + num_kept]
  return out


AUGMENTATION = augmentation.Augmentation(
  settings=TimeShift, apply=apply, identity={'max_shift_s': 0}
)
