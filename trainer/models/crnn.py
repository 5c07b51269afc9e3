"""Convolutions, then a GRU in both directions, then attention over time.

Two convolutions of 3x3 with batch normalisation and ReLU that halve frames and bins, a GRU over
the frames that are left, and the mean of what it gives by weights that the model learns: so loud or
telling parts of a clip count for more. Convolutions and GRU after Arik et al. 2017, "Convolutional
Recurrent Neural Networks for Small-Footprint Keyword Spotting" (its best has one convolution of
20x5 that steps by 8x2, and two GRUs), attention after Shan et al. 2018, "Attention-based End-to-End
Models for Small-Footprint Keyword Spotting", its soft attention.
"""

from __future__ import annotations

import dataclasses

from schemas import limits, record
from trainer.lazy import keras
from trainer.models import clip_rows, heads, inputs, model
from trainer.models.clip_rows import Rows

POOL = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crnn(limits.Limited):
  """Settings of convolutions, GRU and attention.

  Attributes:
    conv_layers: Convolutions, each with max pooling behind it that halves frames and bins.
    filters: Filters of each.
    units: Units of the GRU in each direction.
    attention_units: Units of the hidden layer that gives a frame its weight.
    dropout: Share that training drops in front of the GRU and of the logits, in [0, 1).
  """

  LIMITS = {
    'conv_layers': limits.DEPTH,
    **dict.fromkeys(('filters', 'units', 'attention_units'), limits.COUNT),
    'dropout': limits.RATE,
  }

  conv_layers: int = 2
  filters: int = 32
  units: int = 64
  attention_units: int = 64
  dropout: float = 0.2

  @property
  def min_size(self) -> int:
    """The least frames and bins that leave one of each behind the last pooling."""
    return POOL**self.conv_layers


def check(feature: record.FeatureSpec, settings: Crnn) -> None:
  """Refuses a feature of which nothing is left behind the last pooling; DatasetError."""
  inputs.check_size(
    feature,
    settings.min_size,
    what=f"Model 'crnn' with conv_layers={settings.conv_layers}",
    hint='Lower conv_layers, or make a larger feature (longer clips, more bins).',
  )


def trunk(x: Rows, settings: Crnn) -> Rows:
  """Returns what the GRU gives, [batch, rows, 2 * units]; see ModelFamily."""
  x = clip_rows.at_least(clip_rows.as_image(x), settings.min_size)
  for i in range(1, settings.conv_layers + 1):
    conv = keras.layers.Conv2D(
      settings.filters, 3, padding='same', use_bias=False, name=f'block{i}_conv'
    )
    x = clip_rows.batch_norm(clip_rows.windowed(x, conv), name=f'block{i}_norm')
    x = x.through(keras.layers.ReLU(name=f'block{i}_relu'))
    x = clip_rows.windowed(x, keras.layers.MaxPooling2D(POOL, name=f'block{i}_pool'))
  x = heads.dropped(clip_rows.as_sequence(x), settings)
  gru = keras.layers.GRU(settings.units, return_sequences=True, name='gru')
  name = f'block{settings.conv_layers + 1}_bigru'
  return clip_rows.recurrent(x, keras.layers.Bidirectional(gru, name=name))


def head(x: Rows, settings: Crnn) -> Rows:
  """Returns the mean over each clip's rows by weights that are learned, [batch, 2 * units]."""
  hidden = keras.layers.Dense(settings.attention_units, activation='tanh', name='attention')
  score = keras.layers.Dense(1, use_bias=False, name='score')
  return heads.dropped(clip_rows.weighted(x, score(hidden(x.values))), settings)


FAMILY = model.ModelFamily(
  settings=Crnn,
  trunk=trunk,
  head=head,
  check=check,
  source='Arik et al. 2017, Shan et al. 2018',
)
