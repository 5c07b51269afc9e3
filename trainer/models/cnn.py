"""A small convolutional network: good on a few thousand short clips, minutes on a laptop's CPU.

Two 3x3 convolutions of 32 filters, each followed by 2x2 max pooling, a dense layer of 64 units
with 50 % dropout, and one logit per label.

Clips of any length: in place of all values, the dense layer gets their mean over time, over as many
frames as the clip has by itself. What padding its batch adds changes nothing.
"""

from __future__ import annotations

import dataclasses

from schemas import limits, record
from trainer.lazy import keras
from trainer.models import clip_rows, heads, inputs, model
from trainer.models.clip_rows import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cnn(limits.Limited):
  """Settings of the small CNN.

  Attributes:
    conv_layers: Convolutions, each with ReLU and max pooling behind it.
    filters: Filters of each convolution.
    kernel: Height and width of a filter, in frames and bins.
    pool: Height and width of a pooling window, in frames and bins.
    dense_units: Units of the hidden dense layer.
    dropout: Share of its outputs that training drops, in [0, 1).
  """

  LIMITS = {
    'conv_layers': limits.DEPTH,
    **dict.fromkeys(('filters', 'kernel', 'pool', 'dense_units'), limits.COUNT),
    'dropout': limits.RATE,
  }

  conv_layers: int = 2
  filters: int = 32
  kernel: int = 3
  pool: int = 2
  dense_units: int = 64
  dropout: float = 0.5

  @property
  def min_size(self) -> int:
    """The least height and width that leave one value behind the last pooling."""
    size = 1
    for _ in range(self.conv_layers):
      size = size * self.pool + self.kernel - 1
    return size


def check(feature: record.FeatureSpec, settings: Cnn) -> None:
  """Refuses a feature of which nothing is left behind the last pooling; DatasetError."""
  inputs.check_size(
    feature,
    settings.min_size,
    what=f"Model 'cnn' with conv_layers={settings.conv_layers}, kernel={settings.kernel} and "
    f'pool={settings.pool}',
    hint='Lower conv_layers, kernel or pool, or make a larger feature (longer clips, more bins).',
  )


def trunk(x: Rows, settings: Cnn) -> Rows:
  """Returns what the dense layer gives, [batch, dense_units]; see ModelFamily."""
  x = clip_rows.at_least(clip_rows.as_image(x), settings.min_size)
  for i in range(1, settings.conv_layers + 1):
    conv = keras.layers.Conv2D(
      settings.filters, settings.kernel, activation='relu', name=f'block{i}_conv'
    )
    x = clip_rows.windowed(x, conv)
    x = clip_rows.windowed(x, keras.layers.MaxPooling2D(settings.pool, name=f'block{i}_pool'))
  x = clip_rows.flat(x if x.num_rows is None else clip_rows.mean(x))
  return x.through(keras.layers.Dense(settings.dense_units, activation='relu', name='dense'))


FAMILY = model.ModelFamily(settings=Cnn, trunk=trunk, head=heads.as_it_is, check=check)
