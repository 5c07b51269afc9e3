"""MatchboxNet: residual blocks of 1-D separable convolutions over time, of growing length.

Source: Majumdar and Ginsburg, "MatchboxNet: 1D Time-Channel Separable Convolutional Neural Network
Architecture for Speech Commands Recognition" (Interspeech 2020), table 1, and the authors'
configuration: a separable convolution of 11 frames and 128 channels; B blocks of R separable
convolutions of C channels, 13 frames long in the first block and 2 more in each next, with a 1x1
convolution in the shortcut; a separable one of 29 frames, dilated by 2, and a 1x1 convolution, both
of 128. Each has batch normalisation, ReLU and dropout. Parameters at 64 bins and 30 labels: 77 k
(3x1x64), 93 k (3x2x64), 140 k (6x2x64).

Deviation: the momentum of batch normalisation is 0.9, as the authors'.
"""

from __future__ import annotations

import dataclasses

from schemas import limits
from trainer.lazy import keras
from trainer.models import clip_rows, convolutions, heads, model
from trainer.models.clip_rows import Rows

WIDE = 128  # Channels of the first and of the last two convolutions.
FIRST_KERNEL, LAST_KERNEL, LAST_DILATION = 11, 29, 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class MatchboxNet(limits.Limited):
  """Settings of MatchboxNet-BxRxC.

  Attributes:
    blocks: B, the residual blocks.
    repeats: R, the separable convolutions in each.
    channels: C, of each.
    wide_channels: Of the convolutions in front of the blocks and behind them.
    dropout: Share of the values behind each convolution that training drops, in [0, 1).
  """

  LIMITS = {
    'blocks': limits.within(1, 32),
    'repeats': limits.within(1, 32),
    'channels': limits.COUNT,
    'wide_channels': limits.COUNT,
    'dropout': limits.RATE,
  }

  blocks: int = 3
  repeats: int = 1
  channels: int = 64
  wide_channels: int = WIDE
  dropout: float = 0.0


def trunk(x: Rows, settings: MatchboxNet) -> Rows:
  """Returns [batch, rows, wide_channels]; see ModelFamily."""
  x = clip_rows.as_sequence(x)
  x = _separable(x, 'block1_conv', settings.wide_channels, FIRST_KERNEL)
  x = _active(x, 'block1_conv', settings)
  for i in range(settings.blocks):
    x = _block(x, f'block{i + 2}', FIRST_KERNEL + 2 * (i + 1), settings)
  name = f'block{settings.blocks + 2}_conv'
  x = _separable(x, name, settings.wide_channels, LAST_KERNEL, dilation=LAST_DILATION)
  x = _active(x, name, settings)
  name = f'block{settings.blocks + 3}_conv'
  x = convolutions.pointwise(x, settings.wide_channels, name=name, activation='')
  return _active(x, name, settings)


def _block(x: Rows, name: str, kernel: int, settings: MatchboxNet) -> Rows:
  shortcut = convolutions.pointwise(x, settings.channels, name=f'{name}_shortcut', activation='')
  for i in range(1, settings.repeats + 1):
    conv = f'{name}_conv{i}'
    x = _separable(x, conv, settings.channels, kernel)
    if i == settings.repeats:
      x = clip_rows.add(x, shortcut)
    x = _active(x, conv, settings)
  return x


def _separable(x: Rows, name: str, channels: int, kernel: int, *, dilation: int = 1) -> Rows:
  """Returns rows behind a depthwise and a 1x1 convolution and batch normalisation."""
  depthwise = convolutions.depthwise((kernel,), dilation_rate=dilation, name=f'{name}_depthwise')
  x = clip_rows.windowed(x, depthwise)
  return convolutions.pointwise(x, channels, name=f'{name}_pointwise', activation='')


def _active(x: Rows, name: str, settings: MatchboxNet) -> Rows:
  x = x.through(keras.layers.ReLU(name=f'{name}_relu'))
  if not settings.dropout:
    return x
  return x.through(keras.layers.Dropout(settings.dropout, name=f'{name}_dropout'))


def head(x: Rows, settings: MatchboxNet) -> Rows:
  """Returns the mean over rows, [batch, wide_channels]; dropout stands behind the convolutions."""
  del settings
  return heads.average(x, None)


FAMILY = model.ModelFamily(
  settings=MatchboxNet, trunk=trunk, head=head, source='Majumdar & Ginsburg 2020'
)
