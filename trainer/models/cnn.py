"""A small convolutional network: good on a few thousand short clips, minutes on a laptop's CPU.

Two 3x3 convolutions of 32 filters, each followed by 2x2 max pooling, a dense layer of 64 units
with 50 % dropout, and one logit per label.

Clips of any length: in place of all values, the dense layer gets their mean over time, over as many
frames as the clip has by itself. What padding its batch adds changes nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from schemas import errors, limits, manifest, record
from trainer.lazy import keras
from trainer.models import inputs, masks, model


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
    **dict.fromkeys(('conv_layers', 'filters', 'kernel', 'pool', 'dense_units'), limits.AT_LEAST_1),
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


def build(
  feature: record.FeatureSpec,
  statistics: manifest.FeatureStatistics | None,
  num_labels: int,
  settings: Cnn,
) -> keras.Model:
  """Returns the model; see ModelFamily.build.

  Raises:
    DatasetError: if the feature is not [time, bins] or [height, width, channels], or too small.
  """
  shape = inputs.image_shape(feature, model='cnn')
  if min(size for size in shape[:2] if size is not None) < settings.min_size:
    raise errors.DatasetError(
      f"Model 'cnn' with conv_layers={settings.conv_layers}, kernel={settings.kernel} and "
      f'pool={settings.pool} needs at least {settings.min_size} frames and '
      f'{settings.min_size} bins, but {feature.name!r} is {inputs.shape_text(feature)}. Lower '
      'conv_layers, kernel or pool, or make a larger feature (longer clips, more bins).'
    )
  sources = [inputs.new_input(feature)]
  x = inputs.normalised(sources[0], feature, statistics)
  if feature.is_variable:
    sources.append(inputs.new_num_rows())
    x = _mean_over_time(x, sources[1], shape, settings)
  else:
    x = _convolved(inputs.as_image(x, shape), settings)
  x = keras.layers.Flatten(name='flatten')(x)
  x = keras.layers.Dense(settings.dense_units, activation='relu', name='dense')(x)
  x = keras.layers.Dropout(settings.dropout, name='dropout')(x)
  # float32, so that the loss never sees half precision.
  logits = keras.layers.Dense(num_labels, dtype='float32', name='logits')(x)
  return keras.Model(sources if feature.is_variable else sources[0], logits, name='cnn')


def _convolved(x: Any, settings: Cnn) -> Any:
  """[batch, height, width, channels] -> [batch, less, less, filters]."""
  for i in range(1, settings.conv_layers + 1):
    x = keras.layers.Conv2D(settings.filters, settings.kernel, activation='relu', name=f'conv{i}')(
      x
    )
    x = keras.layers.MaxPooling2D(settings.pool, name=f'pool{i}')(x)
  return x


def _mean_over_time(
  x: Any, num_rows: Any, shape: tuple[int | None, int, int], settings: Cnn
) -> Any:
  """[batch, rows, ...] and the rows of each clip -> [batch, less, filters]."""
  # Zeros are the train split's mean; a clip shorter than min_size is that long with them. As
  # convolutions and pools take whole windows only, nothing in front of the end sees what is behind.
  x = inputs.as_image(masks.zeros_behind(x, num_rows), shape)
  missing = ((0, settings.min_size - 1), (0, 0))
  x = keras.layers.ZeroPadding2D(missing, dtype='float32', name='padding')(x)
  num_rows = keras.ops.maximum(num_rows, settings.min_size)
  for _ in range(settings.conv_layers):
    num_rows = (num_rows - (settings.kernel - 1)) // settings.pool
  return masks.mean_over_rows(_convolved(x, settings), num_rows)


FAMILY = model.ModelFamily(settings=Cnn, build=build)
