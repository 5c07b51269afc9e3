"""A split as a tf.data.Dataset of whole batches. Imports TensorFlow: for the trainer only.

`read_batches` is the whole pipeline; its steps (stores, order, pools, parsing, parts) stand by
themselves, for pipelines of another order.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from schemas import errors
from schemas.manifest import DatasetManifest, ShardInfo
from tfrecords import held_out, shard_files
from tfrecords.pipeline import (
  balance,
  batch_request,
  buffers,
  caches,
  parsing,
  parts,
  pools,
  stores,
  tf_options,
)
from tfrecords.pipeline import order as order_lib

# Batches that wait, parsed: so many bridge a slow moment of a storage.
READY_BATCHES = 4
_LABELS_AT_ONCE = 4096


def read_batches(request: batch_request.BatchRequest) -> tf.data.Dataset:
  """Returns the batches of a split, the same ones in the same order for the same seed.

  With `shuffle` every pass has an order of its own, which follows from the seed and the number of
  the pass (order.py); with `repeat` batches go on over the ends of passes, and no record comes an
  (n+1)th time before all came n times but for those that share the batch (the pool, see below)
  with the end of a pass.

  A feature of variable length is padded with zeros to the longest of its batch. With `shuffle`
  the records of a batch have similar lengths: up to 16 batches are drawn as one pool, sorted by
  length (roughly: those up to a ratio of 1.25 apart may change places), and come in random order.
  A pool takes up to buffers.POOL_BYTES by the mean size of a record, or one batch where that is
  more.

  Returns:
    Dictionaries: a feature's name to [batch, *shape] in its stored dtype, `label` to int64 [batch],
    with_ids `id` and `speaker` to string [batch], and with_origins what BatchRequest says. For a
    feature of variable length num_rows_key(name) gives the rows of each clip, int64 [batch]; behind
    them there are zeros up to the longest clip of the batch.

  Raises:
    DatasetError: if the split has no records, the data set no such feature, a file is missing, or
      the cache does not fit.
  """
  manifest, split, batch_size = request.manifest, request.split, request.batch_size
  specs = [manifest.feature(name) for name in request.feature_names]
  read = held_out.files_read(manifest)  # Of files it counts what is left out too.
  files = _files(dataclasses.replace(request, manifest=read))
  infos, held = shards_of(manifest, split), shards_of(read, split)
  mine = request.share.shards or range(len(infos))
  store = stores.make(
    request.cache,
    [files[i] for i in mine],
    folder=request.cache_dir,
    ahead_bytes=buffers.ahead_bytes(manifest.num_labels) if request.balanced else 0,
  )
  is_variable = any(spec.is_variable for spec in specs)
  num_batches = 1
  if request.shuffle and is_variable and not request.balanced:
    num_batches = buffers.pool_batches(manifest, split, batch_size=batch_size)
  first_pool, skipped_batches = divmod(request.start_step, num_batches)
  records = _records(
    request,
    # Streams of labels leave out by themselves the others.
    store if request.balanced else _known(store, [infos[i] for i in mine], manifest),
    [infos[i] for i in mine],
    start=first_pool * num_batches * batch_size,
    num_held=sum(held[i].num_records for i in mine),
  )
  if num_batches > 1:
    records = pools.sorted_in_pools(
      records,
      store.load,
      batch_size=batch_size,
      num_batches=num_batches,
      seed=request.seed,
      first_pool=first_pool,
    ).skip(skipped_batches * batch_size)
  # Without an end there is no remainder, and TensorFlow may know the size of every batch.
  batches = records.batch(batch_size, drop_remainder=request.drop_remainder or request.repeat)
  parse = parsing.batch_parser(
    manifest,
    feature_names=request.feature_names,
    with_ids=request.with_ids,
    with_origins=request.with_origins,
  )
  load = tf.identity if num_batches > 1 else store.load  # A pool has loaded them.
  # Parts are parsed alone, but for clips of any length: all parts are as long as the longest clip.
  parsed = (batches if is_variable else parts.divided(batches, request.share)).map(
    tf_options.as_written(lambda batch: parse(load(batch))),
    num_parallel_calls=tf.data.AUTOTUNE,
    deterministic=request.deterministic,
  )
  parsed = parts.divided(parsed, request.share) if is_variable else parsed
  if request.repeat:  # Then TensorFlow asks no replica, in every step, whether there is more.
    parsed = parsed.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
  return tf_options.with_options(
    parsed.prefetch(READY_BATCHES), deterministic=request.deterministic
  )


def _records(
  request: batch_request.BatchRequest,
  store: stores.Store,
  infos: Sequence[ShardInfo],
  *,
  start: int,
  num_held: int,
) -> tf.data.Dataset:
  """Returns the records of shards, or what stands for them, in the order that is asked for."""
  shuffle_records = buffers.shuffle_records(request.manifest, request.split, request.shuffle_bytes)
  if request.balanced:
    found = None
    if request.cache == caches.MEMORY:
      found = _labels(store, num_held)
    numbers = held_out.numbers(request.manifest)

    def labels_of(some: tf.Tensor) -> tf.Tensor:
      labels = parsing.labels_of(some) if found is None else tf.gather(found, some)
      return parsing.renumbered(labels, numbers)

    return balance.balanced(
      [info.label_counts for info in infos],
      store.open_shard,
      labels_of,
      balance.Balance(
        batch_size=request.balanced,
        seed=request.seed,
        shuffle_records=shuffle_records,
        start=start,
        num_readers=store.num_readers,
      ),
    )
  order = order_lib.Order(
    shuffle=request.shuffle,
    repeat=request.repeat,
    seed=request.seed,
    shuffle_records=shuffle_records,
    start=start,
    deterministic=request.deterministic,
  )
  return order_lib.ordered(
    [info.num_records for info in infos], store.open_shard, order, num_readers=store.num_readers
  )


def _known(
  store: stores.Store, infos: Sequence[ShardInfo], manifest: DatasetManifest
) -> stores.Store:
  """Returns a store without the records whose labels the manifest leaves out, as it counts them."""
  numbers = held_out.numbers(manifest)
  if min(numbers) >= 0:
    return store
  counts = np.array([info.num_records for info in infos], np.int64)

  def open_shard(index: tf.Tensor) -> tf.data.Dataset:
    chunks = store.open_shard(index).batch(buffers.CHUNK_RECORDS)

    def keep(some: tf.Tensor) -> tf.Tensor:
      return tf.boolean_mask(
        some, parsing.renumbered(parsing.labels_of(store.load(some)), numbers) >= 0
      )

    records = chunks.map(tf_options.as_written(keep)).unbatch()
    return records.apply(tf.data.experimental.assert_cardinality(tf.gather(counts, index)))

  return dataclasses.replace(store, open_shard=open_shard)


def _labels(store: stores.Store, num_records: int) -> tf.Tensor:
  """Returns the labels of all records that are held in memory."""
  numbers = tf.data.Dataset.range(num_records).batch(_LABELS_AT_ONCE)
  return tf.concat([parsing.labels_of(store.load(some)) for some in numbers], axis=0)


def shards_of(manifest: DatasetManifest, split: str) -> list[ShardInfo]:
  """Returns the shards of a split that have records, by index."""
  return [shard for shard in manifest.shards_of(split) if shard.num_records]


def shard_paths(data_dir: str, manifest: DatasetManifest, split: str) -> list[str]:
  """Returns the paths of a split's shards that have records, by index.

  Raises:
    DatasetError: if there are none, or files of a folder on this machine are missing or of another
      size than the manifest says.
  """
  shards = _some_shards(data_dir, manifest, split)
  if '://' not in data_dir:  # Elsewhere who opens the data set asks, for all splits at once.
    shard_files.check(data_dir, manifest, [split])
  return [tf.io.gfile.join(data_dir, shard.file_name) for shard in shards]


def _files(request: batch_request.BatchRequest) -> list[stores.File]:
  """Returns what of which files is read."""
  data_dir, manifest, split = request.data_dir, request.manifest, request.split
  if not request.excerpts:
    return stores.whole(shard_paths(data_dir, manifest, split), shards_of(manifest, split))
  found = [
    (shard, request.excerpts[shard.file_name]) for shard in _some_shards(data_dir, manifest, split)
  ]
  return [
    stores.File(
      path=one.path,
      whole=one.shard,
      taken=shard,
      is_taken=None if one.is_whole else one.is_taken,
    )
    for shard, one in found
  ]


def _some_shards(data_dir: str, manifest: DatasetManifest, split: str) -> list[ShardInfo]:
  shards = shards_of(manifest, split)
  if not shards:
    raise errors.DatasetError(
      f'The data set in {data_dir!r} has no records in the split {split!r}; it has '
      f'{", ".join(manifest.split_names()) or "none at all"}. Pick one of these, or run the data '
      'job again with other split fractions.'
    )
  return shards
