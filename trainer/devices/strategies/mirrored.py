"""`mirrored`: every device of this machine holds the model and takes its part of each batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from schemas import errors, limits
from trainer.devices.strategies import strategy
from trainer.lazy import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mirrored(limits.Limited):
  """Settings of the mirrored strategy.

  Attributes:
    num_devices: How many devices to use, the first ones; 0 takes all.
  """

  LIMITS = {'num_devices': limits.Limits(lambda value: value >= 0, '0 (all) or more')}

  num_devices: int = 0


def make(devices: Sequence[str], settings: Mirrored) -> tf.distribute.Strategy:
  """Returns TensorFlow's MirroredStrategy over the first devices.

  Raises:
    ConfigError: if there are fewer devices than asked for.
  """
  if settings.num_devices > len(devices):
    raise errors.ConfigError(
      f'--strategy=mirrored:num_devices={settings.num_devices} needs {settings.num_devices} '
      f'devices, this machine has {len(devices)}: {", ".join(devices)}. Ask for fewer, or split '
      f'the CPU with --virtual_devices={settings.num_devices} to try it out.'
    )
  used = list(devices[: settings.num_devices or len(devices)])
  # On GPUs TensorFlow's default (NCCL) is right. On CPUs it would be collective operations, which
  # number their groups from 1 in every strategy: two strategies of different sizes in one process
  # then abort one another.
  on_gpus = all('GPU' in device for device in used)
  reduction = None if on_gpus else tf.distribute.ReductionToOneDevice()
  return tf.distribute.MirroredStrategy(used, cross_device_ops=reduction)


FAMILY = strategy.StrategyFamily(
  settings=Mirrored, summary='all GPUs of this machine, each with a part of the batch', make=make
)
