"""Brings batches to the devices before a step asks for them. The only module that does so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfrecords.pipeline import shares

# Batches that wait on a device: one is copied while the step before it computes.
DEVICE_BATCHES = 2

# Gives the batches of one reader: for each of its replicas in turn its part.
MakeDataset = Callable[[shares.Place], tf.data.Dataset]


def feed(make: MakeDataset, strategy: tf.distribute.Strategy) -> Any:
  """Returns the batches on the devices of a strategy.

  One accelerator gets a buffer in its own memory, on a machine without any batches wait in main
  memory; with several replicas each has a buffer on its device, and a thread that fills it.

  Args:
    make: Called once, for this process.
    strategy: Whose replicas take the batches.
  """
  if not is_distributed(strategy):
    dataset = make(shares.Place())
    if tf.config.list_logical_devices('GPU'):
      return dataset.apply(tf.data.experimental.prefetch_to_device('/GPU:0', DEVICE_BATCHES))
    return dataset.prefetch(DEVICE_BATCHES)
  options = tf.distribute.InputOptions(
    experimental_fetch_to_device=True, experimental_per_replica_buffer_size=DEVICE_BATCHES
  )
  return strategy.distribute_datasets_from_function(
    lambda context: make(place_of(context)), options
  )


def place_of(context: tf.distribute.InputContext) -> shares.Place:
  """Returns where the reader of an input context stands."""
  return shares.Place(
    worker=context.input_pipeline_id,
    num_workers=context.num_input_pipelines,
    num_replicas=context.num_replicas_in_sync,
  )


def is_distributed(strategy: tf.distribute.Strategy) -> bool:
  """Whether it is another than TensorFlow's default, which stands for a single device."""
  return isinstance(
    strategy, tf.distribute.MirroredStrategy | tf.distribute.MultiWorkerMirroredStrategy
  )
