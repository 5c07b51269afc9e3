"""From shards to batches on the devices. The only module of the trainer that feeds data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from schemas import splits
from schemas.manifest import DatasetManifest
from tfrecords.pipeline import batch_request, caches, parsing, parts, shares, tf_options
from tfrecords.pipeline import dataset as dataset_lib
from trainer.augment import chain
from trainer.data import data_service as service_lib
from trainer.data import device_feed, named_data, padded_lengths, random_data


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
  """Where batches come from and how large they are.

  Attributes:
    data_dir: Folder of the data set.
    manifest: Its manifest.
    feature_name: The feature to read.
    batch_size: Examples per batch, over all replicas.
    accumulate: Batches that make a step.
    balance: Whether every step learns of each label alike, however many examples it has.
    augment: What is done to the examples of the train split.
    cache: One of tfrecords.pipeline.caches.CACHES.
    cache_dir: Folder for the cache `disk`.
    deterministic: Whether the same seed gives the same batches in the same order.
    random_data: Whether training batches are made up, and no record is read.
    data_service: The dispatcher of a tf.data service that reads; '' where this process does.
    lengths: To one of these the batches of training are padded, where clips have lengths of their
      own and each length is compiled by itself; () leaves them be.
  """

  data_dir: str
  manifest: DatasetManifest
  feature_name: str
  batch_size: int
  accumulate: int = 1
  balance: bool = False
  augment: chain.Chain = dataclasses.field(default_factory=lambda: chain.Chain(()))
  cache: str = caches.NONE
  cache_dir: str = ''
  deterministic: bool = True
  random_data: bool = False
  data_service: str = ''
  lengths: tuple[int, ...] = ()

  @property
  def step_examples(self) -> int:
    """Examples that a step learns from."""
    return self.batch_size * self.accumulate

  @property
  def is_read_by_steps(self) -> bool:
    """Whether the batches of a step are read as one, and divided when it is made.

    What is drawn for examples, and which have similar lengths, is that of the step's examples.
    Elsewhere batches in a row are the same examples, and take the memory of one.
    """
    is_variable = self.manifest.feature(self.feature_name).is_variable
    return self.accumulate > 1 and (bool(self.augment) or is_variable)

  def request(self, split: str, **changes: Any) -> batch_request.BatchRequest:
    """Returns what asks for one pass over a split in order, or for what `changes` make of it."""
    asked = batch_request.BatchRequest(
      data_dir=self.data_dir,
      manifest=self.manifest,
      split=split,
      feature_names=(self.feature_name,),
      batch_size=self.batch_size,
    )
    return dataclasses.replace(asked, **changes)


def train_batches(
  source: Source, strategy: tf.distribute.Strategy, *, seed: int, start_step: int = 0
) -> Any:
  """Returns the train split without end, in another order in each pass.

  It is repeated before it is batched, so that every batch is full: no replica ever gets an empty
  part, and a split smaller than a batch works too.

  Where several batches make a step, together they are the batch that is as large.

  From `start_step` on the batches are those of an undisturbed run, whatever the number of replicas.
  What lies before is not parsed, and only what lies before it in its group of 16 shards is read.

  Several workers read shards of their own where there are enough (shares.by_shard);
  else, and where whole batches are augmented, each reads all and keeps its part of each batch.

  With a data service batches come in no fixed order, and a start in the middle of a pass begins
  another pass.
  """
  if source.random_data:
    return _made_up(source, strategy, seed=seed)

  def make(place: shares.Place) -> tf.data.Dataset:
    if source.data_service:
      return _served(source, place, seed=seed, start_step=start_step)
    if source.augment or source.is_read_by_steps:
      whole = _read(
        source,
        splits.TRAIN,
        batch_size=source.step_examples,
        seed=seed,
        start_step=start_step,
      )
      whole = source.augment.attach(whole, source.feature_name, seed=seed, start_step=start_step)
      in_turn = shares.Share(last_part=source.accumulate, num_parts=source.accumulate)
      return parts.divided(parts.divided(whole, in_turn), shares.by_record(place))
    share, batch_size = _train_share(source, place)
    # Workers with shards of their own need no orders of their own.
    return _read(
      source,
      splits.TRAIN,
      share=share,
      batch_size=batch_size,
      seed=seed,
      start_step=start_step * source.accumulate,
    )

  return device_feed.feed(lambda place: _padded(make(place), source), strategy)


def plain_batches(source: Source, strategy: tf.distribute.Strategy, *, seed: int) -> Any:
  """Returns the train split as train_batches does, with nothing done to it, from its beginning.

  Read by this process, and not kept: a few of them are wanted, now and then.
  """
  plain = dataclasses.replace(
    source,
    accumulate=1,
    balance=False,
    augment=chain.Chain(()),
    cache=caches.NONE,
    data_service='',
    lengths=(),
  )
  return train_batches(plain, strategy, seed=seed)


def evaluation_batches(source: Source, split: str, strategy: tf.distribute.Strategy) -> Any:
  """Returns a split in order, every example once; the last batch may be smaller."""

  def make(place: shares.Place) -> tf.data.Dataset:
    if not source.data_service or place.num_workers > 1:  # These must take equally many steps.
      return _read(source, split, share=shares.by_record(place))
    whole = service_lib.distributed(_read(source, split), source.data_service)
    return parts.divided(whole, shares.by_record(place))

  return device_feed.feed(make, strategy)


def sample_inputs(source: Source, num_clips: int, *, seed: int) -> Iterator[Any]:
  """Yields what the model takes of some batches: clips of the train split, each at most once."""
  batches = _read(source, splits.TRAIN, seed=seed, repeat=False)
  for batch in batches.take(-(-num_clips // source.batch_size)):
    yield model_input(batch, source.feature_name)


def model_input(batch: Mapping[str, tf.Tensor], feature_name: str) -> Any:
  """Returns what the model takes: the feature, and where clips are of any length their rows too.

  Args:
    batch: As tfrecords.pipeline.dataset.read_batches gives it.
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


def _padded(batches: tf.data.Dataset, source: Source) -> tf.data.Dataset:
  """Returns batches of the few lengths that a source asks for."""
  if not source.lengths:
    return batches

  def pad(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return padded_lengths.padded(batch, source.feature_name, source.lengths)

  return batches.map(tf_options.as_written(pad))


def _made_up(source: Source, strategy: tf.distribute.Strategy, *, seed: int) -> Any:
  batch = random_data.make(
    source.manifest, source.feature_name, batch_size=source.batch_size, seed=seed
  )
  if source.augment:
    batch = source.augment.prepare(batch, source.feature_name, seed=seed, step=0)
  return random_data.batches(batch, strategy)


def _served(source: Source, place: shares.Place, *, seed: int, start_step: int) -> tf.data.Dataset:
  """Returns a worker's training batches, read by a data service; augmented here."""
  batch_size = shares.worker_batch_size(place, source.batch_size)
  # Each worker takes batches of its own of the pipeline that all share.
  passed = start_step * source.step_examples // source.manifest.num_records(splits.TRAIN)
  # What every worker would skip by itself is more than was meant: so another seed, from its start.
  batches = _read(
    source,
    splits.TRAIN,
    batch_size=batch_size,
    seed=(seed + passed * 1_000_003) % 2**31,
    deterministic=False,
  )
  name = ''
  if place.num_workers > 1:
    name = service_lib.shared_name(source.data_dir, batch_size, seed, start_step)
  served = service_lib.distributed(batches, source.data_service, name=name)
  if source.augment:
    served = source.augment.attach(
      served,
      source.feature_name,
      seed=seed + place.worker,
      start_step=start_step * source.accumulate,
    )
  local = place.local_replicas
  return parts.divided(served, shares.Share(last_part=local, num_parts=local))


def _train_share(source: Source, place: shares.Place) -> tuple[shares.Share, int]:
  """Returns what a worker takes of the train split, and of which batches."""
  if place.num_workers > 1 and not source.balance:  # Not every shard has every label.
    infos = dataset_lib.shards_of(source.manifest, splits.TRAIN)
    own = shares.by_shard(place, [info.num_records for info in infos])
    if own is not None:
      return own, shares.worker_batch_size(place, source.batch_size)
  return shares.by_record(place), source.batch_size


def _read(
  source: Source, split: str, *, seed: int | None = None, repeat: bool = True, **changes: Any
) -> tf.data.Dataset:
  """Returns batches in the order of a seed, over and over; without one a single pass in order."""
  asked = source.request(
    split,
    shuffle=seed is not None,
    repeat=repeat and seed is not None,
    seed=seed or 0,
    balanced=source.step_examples if source.balance and repeat and seed is not None else 0,
    cache=source.cache,
    cache_dir=source.cache_dir,
    deterministic=source.deterministic,
  )
  return named_data.read_batches(dataclasses.replace(asked, **changes))
