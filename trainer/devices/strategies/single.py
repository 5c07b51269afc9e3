"""`none`: the whole step on one device, the first GPU or the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainer.devices.strategies import strategy
from trainer.lazy import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Single:
  """There is nothing to set."""


def make(devices: Sequence[str], settings: Single) -> tf.distribute.Strategy:
  """Returns TensorFlow's default: every operation where it runs best, on at most one GPU."""
  del devices, settings
  return tf.distribute.get_strategy()


FAMILY = strategy.StrategyFamily(
  settings=Single, summary='one device: the first GPU, or the CPU', make=make
)
