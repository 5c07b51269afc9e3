"""Keeps TensorFlow's C++ messages off the terminal: they drown what the run has to say."""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator


def import_tensorflow(*, debug: bool = False) -> None:
  """Imports TensorFlow, silently unless `debug`.

  To be called before anything else imports it: the level of its C++ log is read once, and some
  lines (oneDNN, missing CUDA drivers) are written before the level is looked at.
  """
  if debug or 'tensorflow' in sys.modules:
    import tensorflow  # noqa: F401

    return
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  with _stderr_held_back():
    import tensorflow as tf
  tf.get_logger().setLevel(logging.ERROR)
  # tf.data tells of its own internals (options inside a graph), which no user can act upon.
  warnings.filterwarnings('ignore', module=r'tensorflow\.')


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
  """Swallows what is written to file descriptor 2; shows it if the block fails."""
  sys.stderr.flush()
  kept = os.dup(2)
  with tempfile.TemporaryFile() as held:
    os.dup2(held.fileno(), 2)
    try:
      yield
    except BaseException:
      held.seek(0)
      os.write(kept, held.read())
      raise
    finally:
      sys.stderr.flush()
      os.dup2(kept, 2)
      os.close(kept)
