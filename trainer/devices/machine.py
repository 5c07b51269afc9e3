"""What the run computes on: its devices, the strategy over them, its random numbers."""

from __future__ import annotations

import glob
import os

import keras
import tensorflow as tf

from schemas import errors
from trainer.devices import strategies
from trainer.devices import workers as workers_lib

_GPU_FILES = '/dev/nvidia[0-9]*'
# Of each part of a GPU that is split: enough for the models here, and four fit into 16 GiB.
VIRTUAL_GPU_BYTES = 3 << 30
# cuDNN's recurrent layers compute in several streams, which repeat their bits only where cuBLAS has
# workspaces of a fixed size, says NVIDIA (cuBLAS documentation, "Results reproducibility"; release
# notes of cuDNN 8), and TensorFlow's determinism does not see to it. The larger of its two choices.
_CUBLAS_WORKSPACE, _REPEATABLE = 'CUBLAS_WORKSPACE_CONFIG', ':4096:8'


def prepare(
  strategy_text: str,
  *,
  batch_size: int,
  virtual_devices: int = 0,
  tf32: bool = True,
  deterministic: bool = True,
  seed: int = 0,
) -> tf.distribute.Strategy:
  """Seeds everything and returns the strategy; to be called before TensorFlow computes anything.

  Args:
    strategy_text: Such as `mirrored`.
    batch_size: Examples per step, over all devices.
    virtual_devices: Into how many the first device is split; 0 leaves it whole.
    tf32: Whether GPUs may round the factors of float32 products.
    deterministic: Whether every operation gives the same bits each time.
    seed: Of all random numbers.

  Raises:
    ConfigError: if the devices do not suffice, or are more than the examples of a batch.
  """
  split(virtual_devices)
  tf.config.experimental.enable_tensor_float_32_execution(tf32)
  if deterministic:
    tf.config.experimental.enable_op_determinism()
    os.environ.setdefault(_CUBLAS_WORKSPACE, _REPEATABLE)  # Read when a GPU computes first.
  strategy = strategies.make(strategy_text, devices(virtual=virtual_devices))
  # Behind the strategy, so that what it draws for itself changes nothing.
  keras.utils.set_random_seed(seed)
  replicas = strategy.num_replicas_in_sync
  if batch_size < replicas:
    raise errors.ConfigError(
      f'--batch_size={batch_size} leaves some of the {replicas} devices without an example. '
      f'Ask for at least {replicas}, or for fewer devices: --strategy=mirrored:num_devices=N.'
    )
  return strategy


def unused_gpus() -> list[str]:
  """Returns the NVIDIA devices of this machine if TensorFlow can use none of them."""
  if tf.config.list_physical_devices('GPU') or os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1'):
    return []  # The latter hides them on purpose.
  return sorted(glob.glob(_GPU_FILES))


def split(num_devices: int) -> None:
  """Divides the first GPU, else the CPU, into devices for TensorFlow; 0 leaves it as it is.

  They share what there is, so nothing gets faster: it is for trying strategies on one device.

  Raises:
    ConfigError: if TensorFlow already runs with fewer.
  """
  if not num_devices:
    return
  kind = _kind()
  # TensorFlow wants to know how much of a GPU's memory each part may have.
  limit_mib = VIRTUAL_GPU_BYTES >> 20 if kind == 'GPU' else None
  try:
    tf.config.set_logical_device_configuration(
      tf.config.list_physical_devices(kind)[0],
      [tf.config.LogicalDeviceConfiguration(memory_limit=limit_mib)] * num_devices,
    )
  except RuntimeError:  # TensorFlow has started, and its devices stay as they are.
    found = len(tf.config.list_logical_devices(kind))
    if found < num_devices:
      raise errors.ConfigError(
        f'--virtual_devices={num_devices} comes too late: TensorFlow already runs in this process '
        f'with {found}. Split the {kind} before anything else uses TensorFlow.'
      ) from None


def _kind() -> str:
  return 'GPU' if tf.config.list_physical_devices('GPU') else 'CPU'


def devices(*, virtual: int = 0) -> list[str]:
  """Returns the devices to compute on, such as `GPU:0`: virtual ones, else GPUs, else one CPU."""
  if virtual:
    return [f'{_kind()}:{i}' for i in range(virtual)]
  # Asking for logical ones would start TensorFlow, which several workers must do together.
  gpus = [f'GPU:{i}' for i in range(len(tf.config.list_physical_devices('GPU')))]
  return gpus or ['CPU:0']


def describe(workers: workers_lib.Workers, *, batch_size: int, virtual_devices: int) -> str:
  """Returns a few words on the devices and how many examples of a batch each gets."""
  replicas = workers.strategy.num_replicas_in_sync
  if workers.count > 1:
    used = f'{workers.count} workers with {replicas // workers.count} each'
  else:
    used = ', '.join(devices(virtual=virtual_devices)[:replicas])
  if replicas == 1:
    return f'{used}, batches of {batch_size}'
  least, more = divmod(batch_size, replicas)
  part = f'{least}-{least + 1}' if more else f'{least}'
  return f'{used}, batches of {batch_size}, {part} examples on each'
