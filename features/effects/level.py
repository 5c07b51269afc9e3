"""Levels in dB of full scale, shared by the effects that set one."""

import math

import numpy as np
from numpy.typing import NDArray

from schemas import errors


def check_level(level_db: float) -> None:
  """Raises FeatureError for a level that no clip should be brought to."""
  if not -120 <= level_db <= 0:
    raise errors.FeatureError(
      f'level_db must be in [-120, 0] dB of full scale, such as -1, got {level_db}.'
    )


def scaled(samples: NDArray[np.float32], level: float, level_db: float) -> NDArray[np.float32]:
  """Returns samples of some level brought to another; silence stays silence.

  Args:
    samples: Float32 [num_samples].
    level: What they have: amplitude of their peak or their RMS, in the units of the samples.
    level_db: What they shall have, in dB of an amplitude of 1.
  """
  if not level:
    return samples.copy()
  # In 64 bits: the gain of a clip that is all but silent is no number of 32 bits.
  gain = math.pow(10, level_db / 20) / level
  return (samples * np.float64(gain)).astype(np.float32)
