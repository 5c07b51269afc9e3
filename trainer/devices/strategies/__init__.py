"""The ways to spread a step over devices that --strategy can name."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from schemas import options
from trainer.devices.strategies import mirrored, multi_worker, single, strategy

if TYPE_CHECKING:
  import tensorflow as tf

STRATEGIES: Mapping[str, strategy.StrategyFamily] = types.MappingProxyType(
  {
    'none': single.FAMILY,
    'mirrored': mirrored.FAMILY,
    'multi_worker': multi_worker.FAMILY,
  }
)

SETTINGS: Mapping[str, type] = {name: family.settings for name, family in STRATEGIES.items()}


def parse(text: str) -> tuple[str, Any]:
  """Returns the name and the settings that `name:key=value,...` asks for.

  Raises:
    ConfigError: names the unknown strategy or setting, or the wrong value, and what is known.
  """
  return options.parse(text, SETTINGS, family='strategy')


def make(text: str, devices: Sequence[str]) -> tf.distribute.Strategy:
  """Returns the strategy that `text` asks for, over the devices.

  Raises:
    ConfigError: if the text is wrong, or the devices do not suffice.
  """
  name, settings = parse(text)
  return STRATEGIES[name].make(devices, settings)
