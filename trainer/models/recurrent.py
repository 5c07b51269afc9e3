"""Recurrent networks over frames: plain, gated (GRU) and with long short-term memory (LSTM).

Layers of units that go through a clip frame by frame, or from both ends, and the mean of what the
last layer gives over the clip's own frames. The mean and not the last frame alone: it hears a word
wherever in the clip it is.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from schemas import limits
from trainer.lazy import keras
from trainer.models import clip_rows, model
from trainer.models.clip_rows import Rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recurrent(limits.Limited):
  """Settings of a recurrent network.

  Attributes:
    layers: Recurrent layers, one on top of the other.
    units: Units of each, in each direction.
    dropout: Share of each layer's outputs that training drops, in [0, 1).
  """

  LIMITS = {'layers': limits.DEPTH, 'units': limits.COUNT, 'dropout': limits.RATE}

  layers: int = 1
  units: int = 128
  dropout: float = 0.2


def _family(
  kind: str, source: str, *, both_ways: bool = False, learning_rate: float = 0.001
) -> model.ModelFamily:
  """Returns the family of a class of keras.layers, which reads clips one way or both ways."""

  def trunk(x: Rows, settings: Recurrent) -> Rows:
    """Returns what the last layer gives for each frame, [batch, rows, units]; see ModelFamily."""
    x = clip_rows.as_sequence(x)
    for i in range(1, settings.layers + 1):
      if i > 1 and settings.dropout:
        x = x.through(keras.layers.Dropout(settings.dropout, name=f'block{i}_dropout'))
      x = clip_rows.recurrent(x, _layer(kind, settings, f'block{i}_', both_ways=both_ways))
    return x

  return model.ModelFamily(
    settings=Recurrent, trunk=trunk, source=source, learning_rate=learning_rate
  )


def _layer(kind: str, settings: Recurrent, prefix: str, *, both_ways: bool) -> Any:
  name = prefix + kind.lower()
  layer = getattr(keras.layers, kind)(settings.units, return_sequences=True, name=name)
  return keras.layers.Bidirectional(layer, name=f'{prefix}bi{kind.lower()}') if both_ways else layer


# Measured on 1,340 spoken digits of known voices, 49 frames x 40 mels: after 6 passes GRUs hear 89
# to 91 % of 380 others with 0.001, 94 to 95 % with 0.003; plain units 67 and 72 %; LSTMs 86 to 90 %
# with 0.001 and 83 to 88 % with 0.003.
RNN = _family('SimpleRNN', 'Elman 1990', learning_rate=0.003)
GRU = _family('GRU', 'Cho et al. 2014', learning_rate=0.003)
BIGRU = _family('GRU', 'Cho et al. 2014', both_ways=True, learning_rate=0.003)
LSTM = _family('LSTM', 'Hochreiter & Schmidhuber 1997')
BILSTM = _family('LSTM', 'Graves & Schmidhuber 2005', both_ways=True)
