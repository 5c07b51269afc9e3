"""The ways to spread a step over devices that --strategy can name."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from schemas import options
from trainer.devices.strategies import mirrored, multi_worker, single, strategy
from trainer.lazy import tf

STRATEGIES: Mapping[str, strategy.StrategyFamily] = {
  'none': single.FAMILY,
  'mirrored': mirrored.FAMILY,
  'multi_worker': multi_worker.FAMILY,
}

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in STRATEGIES.items()}
# From a text, such as `mirrored:num_devices=2`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='strategy')


def make(text: str, devices: Sequence[str]) -> tf.distribute.Strategy:
  """Returns the strategy that `text` asks for, over the devices.

  Raises:
    ConfigError: if the text is wrong, or the devices do not suffice.
  """
  name, settings = parse(text)
  return STRATEGIES[name].make(devices, settings)
