"""What a member of the strategies' table offers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from trainer.lazy import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class StrategyFamily:
  """One way to spread a training step over devices.

  TensorFlow is imported when a strategy is made and no sooner.

  Attributes:
    settings: A frozen, keyword-only dataclass of int, float, str and bool fields.
    summary: What it does, in a few words.
    make: From the names of the devices (`GPU:0`, at least one) and the settings to the strategy.
      Raises ConfigError where the devices do not suffice.
  """

  settings: type
  summary: str
  make: Callable[[Sequence[str], Any], tf.distribute.Strategy]
