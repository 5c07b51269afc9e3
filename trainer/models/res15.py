"""Res15: a residual network of dilated 3x3 convolutions that never makes the picture smaller.

Source: Tang and Lin, "Deep Residual Learning for Small-Footprint Keyword Spotting" (ICASSP 2018),
and the authors' code: a 3x3 convolution, 6 blocks of two, and one more, all of 45 filters; the i-th
behind the first is dilated by 2^(i // 3), i from 0, so that the last one sees 125 frames. ReLU,
then in every second layer the sum with the block's input, then batch normalisation without scale
and shift. 238 k parameters at 12 labels, whatever the input. It is slow for its size: 894 million
multiplications for 101 frames x 40 bins. `filters=19` is the paper's narrow one.

Deviation: the momentum of batch normalisation is 0.9, as the authors'.
"""

from __future__ import annotations

import dataclasses

from schemas import limits
from trainer.lazy import keras
from trainer.models import clip_rows, model
from trainer.models.clip_rows import Rows

KERNEL = 3
LAYERS_PER_DILATION = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Res15(limits.Limited):
  """Settings of Res15.

  Attributes:
    filters: Of each convolution.
    blocks: Of two convolutions each; the paper's has 6.
    dropout: Share of the average's values that training drops, in [0, 1).
  """

  LIMITS = {
    'filters': limits.COUNT,
    'blocks': limits.within(1, 12),
    'dropout': limits.RATE,
  }

  filters: int = 45
  blocks: int = 6
  dropout: float = 0.0


def trunk(x: Rows, settings: Res15) -> Rows:
  """Returns [batch, rows, bins, filters]; see ModelFamily."""
  x = clip_rows.as_image(x)
  x = clip_rows.windowed(x, _conv('block1_conv', settings.filters))
  shortcut = x
  for i in range(2 * settings.blocks + 1):
    name = f'block{i // 2 + 2}_conv{i % 2 + 1}'
    x = clip_rows.windowed(x, _conv(name, settings.filters, 2 ** (i // LAYERS_PER_DILATION)))
    if i % 2:
      x = shortcut = clip_rows.add(x, shortcut)
    x = clip_rows.batch_norm(x, name=f'{name}_norm', center=False, scale=False)
  return x


def _conv(name: str, filters: int, dilation: int = 1) -> keras.layers.Layer:
  return keras.layers.Conv2D(
    filters,
    KERNEL,
    dilation_rate=dilation,
    padding='same',
    activation='relu',
    use_bias=False,
    name=name,
  )


FAMILY = model.ModelFamily(settings=Res15, trunk=trunk, source='Tang & Lin 2018')
