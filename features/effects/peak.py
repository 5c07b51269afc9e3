"""Brings the loudest sample of a clip to one level."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.effects import effect, level


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peak:
  """Settings of peak normalisation.

  Attributes:
    level_db: Level of the loudest sample, in dB of full scale.
  """

  level_db: float = -1.0

  def __post_init__(self) -> None:
    level.check_level(self.level_db)


def make(settings: Peak, sample_rate_hz: int) -> effect.Filter:
  """Returns a filter that scales each clip so that its largest magnitude has the level."""
  del sample_rate_hz

  def apply(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return level.scaled(samples, float(np.abs(samples).max()), settings.level_db)

  return apply


EFFECT = effect.Effect(settings=Peak, make=make)
