"""Brings the mean power of a clip to one level."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from features.effects import effect, level


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rms:
  """Settings of RMS normalisation.

  Attributes:
    level_db: Root of the mean square of the samples, in dB of full scale; a sine of full scale
      has -3.01. Nothing is clipped: single samples may come out beyond full scale, and are cut
      there only by a feature that is stored as int16.
  """

  level_db: float = -20.0

  def __post_init__(self) -> None:
    level.check_level(self.level_db)


def make(settings: Rms, sample_rate_hz: int) -> effect.Filter:
  """Returns a filter that scales each clip so that the RMS of its audio has the level."""
  del sample_rate_hz

  def apply(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return level.scaled(samples, math.sqrt(power), settings.level_db)

  return apply


EFFECT = effect.Effect(settings=Rms, make=make)
