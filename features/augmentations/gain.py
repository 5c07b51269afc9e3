"""Louder or quieter."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.augmentations import augmentation
from features.portable import elementary


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gain(augmentation.Settings):
  """Settings of the gain.

  Attributes:
    min_db: Least gain, in dB of the amplitude: -20 is a tenth.
    max_db: Greatest gain. Samples beyond [-1, 1] stay so; see chain.Chain.
  """

  LIMITS = {'db': (-60.0, 60.0)}

  min_db: float = -10.0
  max_db: float = 6.0


def apply(
  samples: NDArray[np.float32],
  sample_rate_hz: int,
  settings: Gain,
  draws: augmentation.Draws,
) -> tuple[NDArray[np.float32], augmentation.Applied]:
  """Returns `samples` times a factor, uniform in dB."""
  gain_db = draws.uniform(settings.min_db, settings.max_db, decimals=2)
  return samples * np.float32(elementary.power(10, gain_db / 20)), {'gain_db': gain_db}


AUGMENTATION = augmentation.Augmentation(
  settings=Gain, apply=apply, identity={'min_db': 0, 'max_db': 0}
)
