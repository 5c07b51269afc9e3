"""Dense layers with ReLU and dropout, on what the linear model takes."""

from __future__ import annotations

import dataclasses

from schemas import limits
from trainer.lazy import keras
from trainer.models import heads, linear, model
from trainer.models.clip_rows import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mlp(limits.Limited):
  """Settings of the dense layers.

  Attributes:
    layers: Hidden layers.
    units: Units of each.
    dropout: Share of each layer's outputs that training drops, in [0, 1).
    pool: Take the mean and the deviation of each bin over time also of clips of one length.
  """

  LIMITS = {'layers': limits.DEPTH, 'units': limits.COUNT, 'dropout': limits.RATE}

  layers: int = 2
  units: int = 256
  dropout: float = 0.3
  pool: bool = False


def trunk(x: Rows, settings: Mlp) -> Rows:
  """Returns what the last hidden layer gives, [batch, units]; see ModelFamily."""
  x = linear.vector(x, pool=settings.pool)
  for i in range(1, settings.layers + 1):
    if i > 1 and settings.dropout:
      x = x.through(keras.layers.Dropout(settings.dropout, name=f'block{i}_dropout'))
    x = x.through(keras.layers.Dense(settings.units, activation='relu', name=f'block{i}_dense'))
  return x


FAMILY = model.ModelFamily(
  settings=Mlp,
  trunk=trunk,
  head=heads.as_it_is,
  takes=(model.Takes.FRAMES, model.Takes.PICTURES, model.Takes.SAMPLES),
  check=lambda feature, settings: linear.check('mlp', feature, pool=settings.pool),
)
