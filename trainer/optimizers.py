"""The optimizers that --optimizer can name."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  import keras


def _adam(learning_rate: float) -> keras.optimizers.Optimizer:
  import keras

  return keras.optimizers.Adam(learning_rate)


def _rmsprop(learning_rate: float) -> keras.optimizers.Optimizer:
  import keras

  return keras.optimizers.RMSprop(learning_rate)


# From a name to what makes the optimizer of a learning rate.
OPTIMIZERS: Mapping[str, Callable[[float], keras.optimizers.Optimizer]] = types.MappingProxyType(
  {
    'adam': _adam,
    'rmsprop': _rmsprop,
  }
)
