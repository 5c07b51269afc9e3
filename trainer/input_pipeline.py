"""From shards to batches on the devices. The only module of the trainer that feeds data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from schemas import record, splits
from schemas.manifest import DatasetManifest
from tfrecords import dataset as dataset_lib
from tfrecords import parsing
from trainer.augment import chain

LABEL = record.LABEL  # The key of the labels in a batch, beside the feature's name.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
  """Where batches come from and how large they are.

  Attributes:
    data_dir: Folder of the data set.
    manifest: Its manifest.
    feature_name: The feature to read.
    batch_size: Examples per batch, over all replicas.
    augment: What is done to the train split.
  """

  data_dir: str
  manifest: DatasetManifest
  feature_name: str
  batch_size: int
  augment: chain.Chain = dataclasses.field(default_factory=lambda: chain.Chain(()))


def train_batches(
  source: Source, strategy: tf.distribute.Strategy, *, seed: int, start_step: int = 0
) -> Any:
  """Returns the train split without end, in another order in each pass.

  From `start_step` on the batches are those of an undisturbed run, whatever the number of replicas.
  What lies before is not parsed, and only what lies before it in its group of 16 shards is read.

  It is repeated before it is batched, so that every batch is full: no replica ever gets an empty
  part, and a split smaller than a batch works too.
  """
  batches = _read(source, splits.TRAIN, shuffle=True, repeat=True, seed=seed, start_step=start_step)
  batches = source.augment.attach(batches, source.feature_name, seed=seed, start_step=start_step)
  return to_devices(batches, strategy)


def sample_inputs(source: Source, num_examples: int, *, seed: int) -> Iterator[Any]:
  """Yields what a model takes, for about so many examples from all over the train split."""
  batches = _read(source, splits.TRAIN, shuffle=True, repeat=False, seed=seed)
  for batch in batches.take(-(-num_examples // source.batch_size)):
    yield model_input(batch, source.feature_name)


def evaluation_batches(source: Source, split: str, strategy: tf.distribute.Strategy) -> Any:
  """Returns a split in order, every example once; the last batch may be smaller."""
  return to_devices(_read(source, split, shuffle=False, repeat=False, seed=0), strategy)


def model_input(batch: Mapping[str, tf.Tensor], feature_name: str) -> Any:
  """Returns what the model takes: the feature, and where clips are of any length their rows too.

  Args:
    batch: As tfrecords.dataset.read_batches gives it.
    feature_name: The model's feature.
  """
  array = to_input(batch[feature_name])
  num_rows = batch.get(parsing.num_rows_key(feature_name))
  return array if num_rows is None else [array, tf.cast(num_rows, tf.int32)]


def to_input(stored: tf.Tensor) -> tf.Tensor:
  """Returns stored values as float32: samples stored as int16 in [-1, 1), pixels in [0, 255].

  Runs on the device, so that half the bytes (of pixels, a quarter) travel there.
  """
  if stored.dtype == tf.int16:
    return tf.cast(stored, tf.float32) / 32768.0
  return tf.cast(stored, tf.float32)


def _read(
  source: Source, split: str, *, shuffle: bool, repeat: bool, seed: int, start_step: int = 0
) -> tf.data.Dataset:
  return dataset_lib.read_batches(
    source.data_dir,
    source.manifest,
    split,
    feature_names=(source.feature_name,),
    batch_size=source.batch_size,
    shuffle=shuffle,
    repeat=repeat,
    # With repeat there is no remainder; but only so is the batch size known to the graph.
    drop_remainder=repeat,
    seed=seed,
    start_step=start_step,
  )


def to_devices(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> Any:
  """Returns the dataset so that batches are on the devices before a step asks for them."""
  if isinstance(strategy, tf.distribute.MirroredStrategy):
    options = tf.data.Options()
    # One machine reads everything; TensorFlow would warn that it cannot divide the files.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return strategy.experimental_distribute_dataset(dataset.with_options(options))
  if tf.config.list_logical_devices('GPU'):
    return dataset.apply(tf.data.experimental.prefetch_to_device('/GPU:0'))
  return dataset
