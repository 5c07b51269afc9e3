"""What the run computes on: its devices, the strategy over them, its random numbers."""

from __future__ import annotations

import keras
import tensorflow as tf

from schemas import errors
from trainer import config as config_lib
from trainer import strategies
from trainer import workers as workers_lib


def prepare(config: config_lib.TrainConfig) -> tf.distribute.Strategy:
  """Seeds everything and returns the strategy; to be called before TensorFlow computes anything.

  Raises:
    ConfigError: if the devices do not suffice, or are more than the examples of a batch.
  """
  split_cpu(config.virtual_devices)
  if config.deterministic:
    tf.config.experimental.enable_op_determinism()
  strategy = strategies.make(config.strategy, devices(virtual=config.virtual_devices))
  # Behind the strategy, so that what it draws for itself changes nothing.
  keras.utils.set_random_seed(config.seed)
  replicas = strategy.num_replicas_in_sync
  if config.batch_size < replicas:
    raise errors.ConfigError(
      f'--batch_size={config.batch_size} leaves some of the {replicas} devices without an example. '
      f'Ask for at least {replicas}, or for fewer devices: --strategy=mirrored:num_devices=N.'
    )
  return strategy


def split_cpu(num_devices: int) -> None:
  """Divides the CPU into `num_devices` devices for TensorFlow; 0 leaves it as it is.

  They share the cores, so nothing gets faster: it is for trying strategies without GPUs.

  Raises:
    ConfigError: if TensorFlow already runs with fewer.
  """
  if not num_devices:
    return
  cpu = tf.config.list_physical_devices('CPU')[0]
  try:
    tf.config.set_logical_device_configuration(
      cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices
    )
  except RuntimeError:  # TensorFlow has started, and its devices stay as they are.
    found = len(tf.config.list_logical_devices('CPU'))
    if found < num_devices:
      raise errors.ConfigError(
        f'--virtual_devices={num_devices} comes too late: TensorFlow already runs in this process '
        f'with {found}. Split the CPU before anything else uses TensorFlow.'
      ) from None


def devices(*, virtual: int = 0) -> list[str]:
  """Returns the devices to compute on, such as `GPU:0`: virtual ones, else GPUs, else one CPU."""
  if virtual:
    return [f'CPU:{i}' for i in range(virtual)]
  # Asking for logical ones would start TensorFlow, which several workers must do together.
  gpus = [f'GPU:{i}' for i in range(len(tf.config.list_physical_devices('GPU')))]
  return gpus or ['CPU:0']


def describe(strategy: tf.distribute.Strategy, config: config_lib.TrainConfig) -> str:
  """Returns a few words on the devices and how many examples of a batch each gets."""
  replicas = strategy.num_replicas_in_sync
  workers = workers_lib.Workers(strategy)
  if workers.count > 1:
    used = f'{workers.count} workers with {replicas // workers.count} each'
    return f'{used}, batches of {config.batch_size}, {_part(config, replicas)} examples on each'
  used = devices(virtual=config.virtual_devices)[:replicas]
  if replicas == 1:
    return f'{used[0]}, batches of {config.batch_size}'
  part = _part(config, replicas)
  return f'{", ".join(used)}, batches of {config.batch_size}, {part} examples on each'


def _part(config: config_lib.TrainConfig, replicas: int) -> str:
  """Returns how many examples of a batch a replica gets."""
  least, more = divmod(config.batch_size, replicas)
  return f'{least}-{least + 1}' if more else f'{least}'
