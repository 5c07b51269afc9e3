"""Brings each clip to one level in dB of full scale: its loudest sample, or its mean power."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from features.effects import effect
from features.portable import elementary
from schemas import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peak:
  """Settings of peak normalisation.

  Attributes:
    level_db: Level of the loudest sample, in dB of full scale.
  """

  level_db: float = -1.0

  def __post_init__(self) -> None:
    if not -120 <= self.level_db <= 0:
      raise errors.FeatureError(
        f'level_db must be in [-120, 0] dB of full scale, such as -1, got {self.level_db}.'
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rms(Peak):
  """Settings of RMS normalisation.

  Attributes:
    level_db: Root of the mean square of the samples, in dB of full scale; a sine of full scale
      has -3.01. Nothing is clipped: single samples may come out beyond full scale, and are cut
      there only by a feature that is stored as int16.
  """

  level_db: float = -20.0


def make(
  measure: Callable[[NDArray[np.float32]], float], settings: Peak, sample_rate_hz: int
) -> effect.Filter:
  """Returns a filter that scales each clip so that what `measure` finds has the level.

  Silence stays silence.
  """
  del sample_rate_hz

  def apply(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    level = measure(samples)
    if not level:
      return samples.copy()
    # In 64 bits: the gain of a clip that is all but silent is no number of 32 bits.
    gain = elementary.power(10, settings.level_db / 20) / level
    return (samples * np.float64(gain)).astype(np.float32)

  return apply


def _peak(samples: NDArray[np.float32]) -> float:
  return float(np.abs(samples).max())


def _rms(samples: NDArray[np.float32]) -> float:
  return math.sqrt(float(np.mean(np.square(samples, dtype=np.float64))))


PEAK = effect.Effect(settings=Peak, make=functools.partial(make, _peak))
RMS = effect.Effect(settings=Rms, make=functools.partial(make, _rms))
