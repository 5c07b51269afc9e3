"""Nine blocks of two convolutions on raw audio of 16 kHz, from 8 filters to 2,048.

Batch normalisation of the samples; in each block two convolutions over 3 with batch normalisation
and ReLU, and max pooling over 2; a convolution of 1,024 filters over 1, the largest value of each
over the clip, a dense layer of 1,024 with ReLU, dropout. It was made for a second of 16 kHz, of
which 31 rows are left.

Clips of any length: shorter ones than the pools need are that long, with zeros at their end.
"""

from __future__ import annotations

import dataclasses

from schemas import errors, limits, record
from trainer.lazy import keras
from trainer.models import clip_rows, heads, inputs, model
from trainer.models.clip_rows import Rows

POOL = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeepConv1d(limits.Limited):
  """Settings of the deep convolutions on raw audio.

  Attributes:
    blocks: Of two convolutions and a pooling, which halves the rows.
    filters: Filters in the first block; each has twice those of the one in front of it.
    units: Filters of the last convolution, and units of the dense layer.
    dropout: Share of the dense layer's outputs that training drops, in [0, 1).
  """

  LIMITS = {
    'blocks': limits.within(1, 16),
    'filters': limits.COUNT,
    'units': limits.COUNT,
    'dropout': limits.RATE,
  }

  blocks: int = 9
  filters: int = 8
  units: int = 1024
  dropout: float = 0.2

  @property
  def min_samples(self) -> int:
    """The least samples that leave one row behind the last pooling."""
    return POOL**self.blocks


def check(feature: record.FeatureSpec, settings: DeepConv1d) -> None:
  """Refuses clips of one length of which nothing is left behind the last pooling; DatasetError."""
  if not feature.is_variable and feature.shape[0] < settings.min_samples:
    raise errors.DatasetError(
      f"Model 'deep_conv1d' with blocks={settings.blocks} needs at least {settings.min_samples} "
      f'samples, but {feature.name!r} is {inputs.shape_text(feature)}. Lower blocks, or make the '
      'data set with longer clips (--clip_seconds).'
    )


def trunk(x: Rows, settings: DeepConv1d) -> Rows:
  """Returns what the last convolution gives, [batch, rows, units]; see ModelFamily."""
  x = clip_rows.at_least(clip_rows.as_sequence(x), settings.min_samples)
  x = clip_rows.batch_norm(x, name='samples_norm')
  for i in range(1, settings.blocks + 1):
    for j in (1, 2):
      x = _convolved(x, settings.filters * 2 ** (i - 1), f'block{i}_{j}')
    x = clip_rows.windowed(x, keras.layers.MaxPooling1D(POOL, name=f'block{i}_pool'))
  last = f'block{settings.blocks + 1}_conv'
  return clip_rows.windowed(x, keras.layers.Conv1D(settings.units, 1, activation='relu', name=last))


def _convolved(x: Rows, filters: int, name: str) -> Rows:
  conv = keras.layers.Conv1D(filters, 3, padding='same', use_bias=False, name=f'{name}_conv')
  x = clip_rows.batch_norm(clip_rows.windowed(x, conv), name=f'{name}_norm')
  return x.through(keras.layers.ReLU(name=f'{name}_relu'))


def head(x: Rows, settings: DeepConv1d) -> Rows:
  """Returns what a dense layer makes of the largest values of each clip, [batch, units]."""
  x = clip_rows.largest(x)
  x = x.through(keras.layers.Dense(settings.units, activation='relu', name='dense'))
  return heads.dropped(x, settings)


FAMILY = model.ModelFamily(
  settings=DeepConv1d, trunk=trunk, head=head, takes=(model.Takes.SAMPLES,), check=check
)
