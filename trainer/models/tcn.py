"""A temporal convolutional network: dilated causal convolutions over frames, with shortcuts.

Bai, Kolter and Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent
Networks for Sequence Modeling": residual blocks of two causal convolutions with ReLU and dropout
of whole channels, whose dilation doubles from block to block; where the number of channels
changes, the shortcut has a convolution over 1.

Deviations: layer normalisation of each row in place of the weights' (of which Keras has no layer),
and the mean over the clip in place of its last row: it hears a word wherever in the clip it is.
"""

from __future__ import annotations

import dataclasses

from schemas import limits
from trainer.lazy import keras
from trainer.models import clip_rows, model
from trainer.models.clip_rows import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tcn(limits.Limited):
  """Settings of the temporal convolutional network.

  Attributes:
    blocks: Residual blocks; the dilation of the i-th, from 0 on, is 2^i.
    filters: Filters of each convolution.
    kernel: Rows that a convolution sees.
    dropout: Share of the channels that training drops behind each convolution, and of what the
      logits are made of, in [0, 1).
  """

  LIMITS = {
    'blocks': limits.within(1, 16),
    'filters': limits.COUNT,
    'kernel': limits.count_from(2),
    'dropout': limits.RATE,
  }

  blocks: int = 5
  filters: int = 64
  kernel: int = 3
  dropout: float = 0.1

  @property
  def receptive_field(self) -> int:
    """How many rows, its own and those in front of it, decide what is behind the last block."""
    return 1 + 2 * (self.kernel - 1) * (2**self.blocks - 1)


def trunk(x: Rows, settings: Tcn) -> Rows:
  """Returns what the last block gives for each row, [batch, rows, filters]; see ModelFamily."""
  x = clip_rows.as_sequence(x)
  for i in range(1, settings.blocks + 1):
    shortcut = x
    if x.values.shape[-1] != settings.filters:
      project = keras.layers.Conv1D(settings.filters, 1, name=f'block{i}_shortcut')
      shortcut = clip_rows.windowed(x, project)
    for j in (1, 2):
      x = _convolved(x, settings, f'block{i}_{j}', dilation=2 ** (i - 1))
    added = keras.layers.Add(name=f'block{i}_add')([x.values, shortcut.values])
    x = Rows(keras.layers.ReLU(name=f'block{i}_relu')(added), x.num_rows)
  return x


def _convolved(x: Rows, settings: Tcn, name: str, *, dilation: int) -> Rows:
  conv = keras.layers.Conv1D(
    settings.filters, settings.kernel, dilation_rate=dilation, name=f'{name}_conv'
  )
  x = clip_rows.windowed(x, conv, padding=clip_rows.CAUSAL)
  x = x.through(keras.layers.LayerNormalization(name=f'{name}_norm'))
  x = x.through(keras.layers.ReLU(name=f'{name}_relu'))
  if settings.dropout:
    x = x.through(keras.layers.SpatialDropout1D(settings.dropout, name=f'{name}_dropout'))
  return x


FAMILY = model.ModelFamily(settings=Tcn, trunk=trunk, source='Bai et al. 2018')
