"""How tf.data runs our pipelines. Imports TensorFlow: for the trainer only."""

from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

from tfrecords.resources import cores

_Function = TypeVar('_Function', bound=Callable[..., Any])


def with_options(dataset: tf.data.Dataset, *, deterministic: bool) -> tf.data.Dataset:
  """Returns the dataset with the options of every pipeline of ours.

  Args:
    dataset: The whole pipeline.
    deterministic: Whether elements come in their order; else in the order in which they are ready.
  """
  options = tf.data.Options()
  options.deterministic = deterministic
  # The pipeline divides itself (shares.py); TensorFlow would warn that it cannot divide the files.
  options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
  # Else TensorFlow times every step of every record to learn how many threads are best: 5 to 10 %
  # of the cost of a clip. Now AUTOTUNE stands for as many threads as there are cores.
  options.autotune.enabled = False
  if cores.usable() < cores.schedulable():  # TensorFlow does not see the share of a container.
    options.threading.private_threadpool_size = cores.usable()
  # Reading begins while the model is compiled.
  options.experimental_warm_start = True
  return dataset.with_options(options)


def as_written(function: _Function) -> _Function:
  """Returns a function of a pipeline that TensorFlow does not rewrite first, with AutoGraph.

  None of ours has an `if` or a loop over tensors, and to rewrite them took 0.4 s of each start.
  """
  written: _Function = tf.autograph.experimental.do_not_convert(function)
  return written
