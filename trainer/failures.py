"""Turns TensorFlow's complaints in the middle of a run into sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from schemas import errors
from tfrecords import dataset as dataset_lib


@contextlib.contextmanager
def readable(*, data_dir: str, run_dir: str, batch_size: int) -> Iterator[None]:
  """Explains what may go wrong in the block for reasons outside this program.

  Raises:
    DatasetError: for damaged or missing records.
    ConfigError: if the memory or the disk is full.
  """
  try:
    with dataset_lib.readable_errors(data_dir):
      yield
  except tf.errors.ResourceExhaustedError as error:
    if 'No space left' in str(error.message):
      raise _disk_error(run_dir, 'No space left on device') from error
    raise errors.ConfigError(
      f'The memory of a device is too small for batches of {batch_size} examples with this model. '
      'Lower --batch_size, use --precision=mixed_bfloat16, or a smaller model.'
    ) from error
  except (tf.errors.PermissionDeniedError, tf.errors.FailedPreconditionError) as error:
    raise _disk_error(run_dir, str(error.message).splitlines()[0]) from error


def _disk_error(run_dir: str, reason: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'Could not write the TensorBoard logs in {run_dir!r}: {reason}. Make room there or give this '
    'user the right to write, or name another folder with --run_dir.'
  )
