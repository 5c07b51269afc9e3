"""`mirrored`: every device of this machine holds the model and takes its part of each batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas import errors
from trainer.strategies import strategy

if TYPE_CHECKING:
  import tensorflow as tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mirrored:
  """Settings of the mirrored strategy.

  Attributes:
    num_devices: How many devices to use, the first ones; 0 takes all.
  """

  num_devices: int = 0

  def __post_init__(self) -> None:
    if self.num_devices < 0:
      raise errors.ConfigError(f'num_devices must be 0 (all) or more, got {self.num_devices}.')


def make(devices: Sequence[str], settings: Mirrored) -> tf.distribute.Strategy:
  """Returns TensorFlow's MirroredStrategy over the first devices.

  Raises:
    ConfigError: if there are fewer devices than asked for.
  """
  import tensorflow as tf

  if settings.num_devices > len(devices):
    raise errors.ConfigError(
      f'--strategy=mirrored:num_devices={settings.num_devices} needs {settings.num_devices} '
      f'devices, this machine has {len(devices)}: {", ".join(devices)}. Ask for fewer, or split '
      f'the CPU with --virtual_devices={settings.num_devices} to try it out.'
    )
  return tf.distribute.MirroredStrategy(list(devices[: settings.num_devices or len(devices)]))


FAMILY = strategy.StrategyFamily(
  settings=Mirrored, summary='all GPUs of this machine, each with a part of the batch', make=make
)
