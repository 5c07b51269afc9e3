"""Turns what TensorFlow complains of in the middle of a run into sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from schemas import errors
from tfrecords.pipeline import read_errors
from trainer.data import fold_view

# What TensorFlow says of each way to compute a convolution that a GPU has no memory for, in a
# NotFoundError: no algorithm worked.
_NO_MEMORY = 'RESOURCE_EXHAUSTED'


@contextlib.contextmanager
def readable(*, data_dir: str, batch_size: int, num_workers: int = 1) -> Iterator[None]:
  """Explains what may go wrong in the block for reasons outside this program.

  Raises:
    DatasetError: for damaged or missing records.
    ConfigError: if the memory does not suffice, or another worker is gone.
  """
  try:
    with read_errors.readable_errors(data_dir):
      yield
  except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
    if num_workers == 1:
      raise
    raise errors.ConfigError(
      f'Another one of the {num_workers} workers is gone, or cannot be reached any more. Start all '
      'of them again with the same commands: they go on from the last checkpoint in --run_dir.'
    ) from error
  except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
    if _NO_MEMORY in str(error.message):
      raise _too_small(batch_size) from error
    if not fold_view.is_raw(data_dir):
      raise
    lines = [line.strip() for line in str(error.message).splitlines()]
    said = next((line for line in lines if line and not line.startswith('{{')), 'no reason given')
    raise errors.DatasetError(
      f'A file of {data_dir!r} could not be decoded: {said.rstrip(".")}. Was it changed since the '
      'start? Repair or remove it, or let the data job read the files: it leaves bad ones out.'
    ) from error
  except tf.errors.ResourceExhaustedError as error:
    raise _too_small(batch_size) from error


def _too_small(batch_size: int) -> errors.ConfigError:
  return errors.ConfigError(
    f'The memory of a device is too small for batches of '
    f'{errors.counted(batch_size, "example")} with this model. '
    'Lower --batch_size, use --precision=mixed_bfloat16, or a smaller model.'
  )
