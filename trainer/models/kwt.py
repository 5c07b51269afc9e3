"""KWT, the keyword transformer: attention between frames, and a class token that sums them up.

Source: Berg, O'Connor and Cruz, "Keyword Transformer: A Self-Attention Model for Keyword Spotting"
(Interspeech 2021), and the authors' code: a dense layer for each frame, a class token in front of
them, learned positions; 12 layers of attention and of two dense layers (the first 4 times as wide,
GELU), each with its input added and then normalised (post-norm). KWT-1, 2 and 3 have 1, 2 and 3
heads of 64 units: 607 k, 2,394 k and 5,361 k parameters for 98 x 40 MFCC. The paper trains for 140
epochs with AdamW, 10 epochs of warm-up and a cosine; on little data it needs more than others.

Clips of any length are taken up to the longest of the data set, of all its splits, as positions
behind it were never learned: what --augment=speed makes longer is cut there in training, and
clips that are longer are refused where they are predicted or judged. What stands behind a clip's
end is not attended to.

Deviation: the class token is the position in front of the first frame, as it would be added to it.
"""

from __future__ import annotations

import dataclasses

from schemas import errors, limits, record
from trainer.lazy import keras
from trainer.models import clip_rows, heads, inputs, model
from trainer.models.clip_rows import Rows

DEVIATION = 0.02  # Of first weights.
EPSILON = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kwt(limits.Limited):
  """Settings of KWT.

  Attributes:
    heads: Of attention: 1, 2 and 3 make KWT-1, 2 and 3.
    head_units: Of each.
    layers: Of attention.
    widening: How many times wider the first of two dense layers is.
    max_rows: Frames of the longest clip that it will take; 0 stands for those of the data set.
    dropout: Share of what each part adds that training drops, in [0, 1).
  """

  LIMITS = {
    'heads': limits.within(1, 64),
    'head_units': limits.COUNT,
    'layers': limits.within(1, 48),
    'widening': limits.within(1, 16),
    'max_rows': limits.within(0, 100_000),
    'dropout': limits.RATE,
  }

  heads: int = 1
  head_units: int = 64
  layers: int = 12
  widening: int = 4
  max_rows: int = 0
  dropout: float = 0.0

  @property
  def units(self) -> int:
    """Of each frame."""
    return self.heads * self.head_units


def check(feature: record.FeatureSpec, settings: Kwt) -> None:
  """Refuses clips that are longer than `max_rows`; DatasetError."""
  size = feature.shape[0]
  if size is not None and 0 < settings.max_rows < size:
    raise errors.DatasetError(
      f"Model 'kwt' with max_rows={settings.max_rows} cannot take {feature.name!r}, which is "
      f'{inputs.shape_text(feature)}. Leave max_rows away, or raise it to {size}.'
    )


def trunk(x: Rows, settings: Kwt) -> Rows:
  """Returns what the class token has become, [batch, units]; see ModelFamily."""
  x = clip_rows.as_sequence(x)
  longest = settings.max_rows or x.values.shape[1]
  x = clip_rows.up_to(x, longest)
  x = x.through(_dense('block1_frames', settings.units))
  x = clip_rows.behind_a_zero(x)
  positions = _dense('block1_positions', settings.units, use_bias=False)
  # [1, rows, longest + 1]: a table by stock layers, whose gradient is no list of rows.
  places = keras.ops.one_hot(clip_rows.places(x), longest + 1)
  x = x.through(lambda values: values + positions(places))
  for i in range(2, settings.layers + 2):
    x = _layer(x, f'block{i}', settings)
  return Rows(x.values[:, 0])


def _layer(x: Rows, name: str, settings: Kwt) -> Rows:
  units = settings.units
  y = x.through(_dense(f'{name}_queries_keys_values', 3 * units, use_bias=False))
  y = clip_rows.attended(y, heads=settings.heads, name=f'{name}_attention')
  x = _added(x, y.through(_dense(f'{name}_heads', units)), f'{name}_norm1', settings)
  y = x.through(_dense(f'{name}_wide', settings.widening * units, activation='gelu'))
  return _added(x, y.through(_dense(f'{name}_narrow', units)), f'{name}_norm2', settings)


def _added(x: Rows, y: Rows, name: str, settings: Kwt) -> Rows:
  if settings.dropout:
    y = y.through(keras.layers.Dropout(settings.dropout, name=f'{name}_dropout'))
  return clip_rows.add(x, y).through(keras.layers.LayerNormalization(epsilon=EPSILON, name=name))


def _dense(name: str, units: int, **settings: object) -> keras.layers.Layer:
  first = keras.initializers.TruncatedNormal(stddev=DEVIATION)
  return keras.layers.Dense(units, kernel_initializer=first, name=name, **settings)


def head(x: Rows, settings: Kwt) -> Rows:
  """Returns what the class token has become, of which nothing is dropped."""
  del settings
  return heads.as_it_is(x, None)


FAMILY = model.ModelFamily(
  settings=Kwt,
  trunk=trunk,
  head=head,
  lengths=model.Lengths.UP_TO,
  check=check,
  source='Berg et al. 2021',
)
