"""Earlier or later, with silence where nothing is left."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from features.augmentations import augmentation

_DECIMALS = 4  # Shifts are drawn in steps of 0.1 ms.
_STEPS_PER_S = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimeShift(augmentation.Settings):
  """Settings of the shift in time.

  Attributes:
    max_shift_s: Greatest shift, in seconds, in either direction. In a short clip it is less: half
      of the audio, padding not counted, always stays in the clip.
  """

  LIMITS = {'max_shift_s': (0.0, 60.0)}

  max_shift_s: float = 0.1


def apply(
  samples: NDArray[np.float32],
  sample_rate_hz: int,
  settings: TimeShift,
  draws: augmentation.Draws,
) -> tuple[NDArray[np.float32], augmentation.Applied]:
  """Returns as many samples, moved by the whole samples nearest to the drawn seconds.

  Positive seconds move the sound to a later time. What leaves the clip is gone; zeros follow it.
  """
  (sounding,) = np.nonzero(samples)
  first = int(sounding[0]) if len(sounding) else 0
  end = int(sounding[-1]) + 1 if len(sounding) else len(samples)
  half = (end - first) / 2
  earlier_s = _at_most(settings.max_shift_s, (first + half) / sample_rate_hz)
  later_s = _at_most(settings.max_shift_s, (len(samples) - end + half) / sample_rate_hz)
  shift_s = draws.uniform(-earlier_s, later_s, decimals=_DECIMALS)
  return shifted(samples, round(shift_s * sample_rate_hz)), {'shift_s': shift_s}


def _at_most(shift_s: float, limit_s: float) -> float:
  """Returns `shift_s`, or the step below `limit_s` where that is less."""
  return min(shift_s, math.floor(limit_s * _STEPS_PER_S) / _STEPS_PER_S)


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
