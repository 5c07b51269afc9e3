"""Starts TensorFlow and Keras as every program of ours wants them: silent, and with our settings.

C++ messages drown what the run has to say; what a user's keras.json says would change results
without a word.
"""

import logging
import os
import sys
import warnings
from typing import Any

from schemas import errors
from tfrecords.resources import cores, held_stderr

_BACKEND = 'tensorflow'


def import_tensorflow(*, debug: bool = False) -> None:
  """Imports TensorFlow, silently unless `debug`, and Keras on it with the settings that it ships.

  To be called before anything else imports either: the level of TensorFlow's C++ log is read once,
  and some lines (oneDNN, missing CUDA drivers) are written before the level is looked at; Keras
  reads which backend it has once.

  Raises:
    ConfigError: if Keras runs on another backend in this process already.
  """
  is_first = 'tensorflow' not in sys.modules
  os.environ['KERAS_BACKEND'] = _BACKEND  # Stands above the one in keras.json.
  if debug or not is_first:
    import tensorflow as tf
  else:
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    with held_stderr.held_back():
      import tensorflow as tf
    tf.get_logger().setLevel(logging.ERROR)
    # tf.data tells of its own internals (options inside a graph), which no user can act upon.
    warnings.filterwarnings('ignore', module=r'tensorflow\.')
  if is_first:
    _limit_threads(tf)
  _set_keras()


def _limit_threads(tf: Any) -> None:
  """Takes no more threads than a container has cores: TensorFlow sees those of the machine."""
  if cores.usable() < cores.schedulable():
    tf.config.threading.set_intra_op_parallelism_threads(cores.usable())
    tf.config.threading.set_inter_op_parallelism_threads(cores.usable())


def _set_keras() -> None:
  """Gives Keras the settings that it ships, whatever is in the user's keras.json."""
  try:
    import keras
  except (AttributeError, TypeError, ValueError) as error:  # What is in the file is no setting.
    raise errors.ConfigError(
      f'Keras cannot read its keras.json: {str(error).rstrip(".")}. Remove the file; it lies in '
      'the folder that KERAS_HOME names, else in ~/.keras.'
    ) from error
  if keras.config.backend() != _BACKEND:
    raise errors.ConfigError(
      f'Keras runs on {keras.config.backend()} in this process already, and models here are of '
      f'{_BACKEND}. Start another process, with KERAS_BACKEND={_BACKEND} or without it.'
    )
  keras.config.set_floatx('float32')
  keras.config.set_epsilon(1e-7)
  keras.config.set_image_data_format('channels_last')
