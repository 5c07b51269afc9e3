"""Four convolutions on raw audio of 8 kHz, and two dense layers.

Filters 8, 16, 32, 64 of 13, 11, 9, 7 samples with ReLU, each followed by max pooling over 3 and
dropout; dense layers of 256 and 128, each followed by dropout. It is much used in tutorials on
spoken commands. Clips are of one length: the first dense layer takes all values. With 8,000
samples and 10 labels it has 1,611,498 parameters, nearly all of them in that layer.
"""

from __future__ import annotations

import dataclasses

from schemas import errors, limits, record
from trainer.lazy import keras
from trainer.models import clip_rows, heads, inputs, model
from trainer.models.clip_rows import Rows

KERNELS = (13, 11, 9, 7)  # Samples, of one convolution after the other.
POOL = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conv1d(limits.Limited):
  """Settings of the convolutions on raw audio.

  Attributes:
    filters: Filters of the first convolution; each has twice those of the one in front of it.
    dense_units: Units of the first dense layer; the second has half of them.
    dropout: Share that training drops behind every pooling and every dense layer, in [0, 1).
  """

  LIMITS = {
    'filters': limits.COUNT,
    'dense_units': limits.count_from(2),
    'dropout': limits.RATE,
  }

  filters: int = 8
  dense_units: int = 256
  dropout: float = 0.3


def min_samples() -> int:
  """Returns the least samples that leave one value behind the last pooling."""
  size = 1
  for kernel in reversed(KERNELS):
    size = size * POOL + kernel - 1
  return size


def check(feature: record.FeatureSpec, settings: Conv1d) -> None:
  """Refuses clips of which nothing is left behind the last pooling; DatasetError."""
  del settings
  if feature.shape[0] < min_samples():
    raise errors.DatasetError(
      f"Model 'conv1d' needs at least {min_samples()} samples, but {feature.name!r} is "
      f'{inputs.shape_text(feature)}. Make the data set with longer clips (--clip_seconds).'
    )


def trunk(x: Rows, settings: Conv1d) -> Rows:
  """Returns what the second dense layer gives, [batch, dense_units / 2]; see ModelFamily."""
  x = clip_rows.as_sequence(x)
  for i, kernel in enumerate(KERNELS):
    conv = keras.layers.Conv1D(
      settings.filters * 2**i, kernel, activation='relu', name=f'block{i + 1}_conv'
    )
    x = clip_rows.windowed(x, conv)
    x = clip_rows.windowed(x, keras.layers.MaxPooling1D(POOL, name=f'block{i + 1}_pool'))
    x = _dropped(x, settings, f'block{i + 1}_dropout')
  x = clip_rows.flat(x)
  x = x.through(keras.layers.Dense(settings.dense_units, activation='relu', name='block5_dense'))
  x = _dropped(x, settings, 'block5_dropout')
  units = settings.dense_units // 2
  return x.through(keras.layers.Dense(units, activation='relu', name='block6_dense'))


def _dropped(x: Rows, settings: Conv1d, name: str) -> Rows:
  return x.through(keras.layers.Dropout(settings.dropout, name=name)) if settings.dropout else x


FAMILY = model.ModelFamily(
  settings=Conv1d,
  trunk=trunk,
  head=heads.as_it_is,
  takes=(model.Takes.SAMPLES,),
  lengths=model.Lengths.ONE,
  check=check,
)
