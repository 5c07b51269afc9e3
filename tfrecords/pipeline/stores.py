"""From where the records of shards are read, pass after pass: their files, a copy, or the memory.

A store stands behind the order of records (order.py) and does not change it: whatever it is, the
same batches come. Imports TensorFlow: for the trainer only.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from schemas import errors
from schemas.manifest import ShardInfo
from tfrecords import storage
from tfrecords.pipeline import caches, local_copies, order, tf_options
from tfrecords.resources import free_memory

# Bytes asked from the storage at once, per shard: from far away many, to hide the latency; on this
# machine so few that they stay in the processor's cache until they are taken apart.
_LOCAL_BYTES, _FAR_BYTES = 1 << 18, 1 << 20
# What a record takes beside its bytes.
_RECORD_BYTES = 64


@dataclasses.dataclass(frozen=True)
class Store:
  """Records of shards.

  Attributes:
    open_shard: From a shard's index to its records, or to what stands for them: their numbers.
    load: From these, [n], to the records, string [n].
    num_readers: Shards that are read from at once.
  """

  open_shard: order.OpenShard
  load: Callable[[tf.Tensor], tf.Tensor]
  num_readers: int = tf.data.AUTOTUNE


def make(
  cache: str,
  paths: Sequence[str],
  shards: Sequence[ShardInfo],
  *,
  folder: str = '',
  ahead_bytes: int = 0,
) -> Store:
  """Returns the store of some shards.

  Args:
    cache: One of caches.CACHES.
    paths: Where the shards lie.
    shards: What the manifest says of them.
    folder: For the copies of `disk`.
    ahead_bytes: Bytes asked from the storage at once, per shard; 0 for the usual.

  Raises:
    DatasetError: if the memory or the disk does not suffice, or a file cannot be copied.
  """
  if cache == caches.MEMORY:
    return _in_memory(paths, shards)
  if cache == caches.DISK:
    paths = local_copies.fetch(paths, shards, folder, storage.storage_of(paths[0]))
  return _files(paths, shards, ahead_bytes)


def _files(paths: Sequence[str], shards: Sequence[ShardInfo], ahead_bytes: int) -> Store:
  open_shard = _opener(paths, shards, ahead_bytes)
  # On this machine as many as there are cores; far away they wait more than they compute.
  num_readers = order.CYCLE_SHARDS if _is_far(paths) else tf.data.AUTOTUNE
  return Store(open_shard, tf.identity, num_readers)


def _in_memory(paths: Sequence[str], shards: Sequence[ShardInfo]) -> Store:
  _check_memory(shards)
  counts = [shard.num_records for shard in shards]
  ends = np.cumsum(counts)
  whole = tf.data.Dataset.range(len(paths)).flat_map(tf_options.as_written(_opener(paths, shards)))
  # Moved into the batch, not copied.
  records = whole.batch(int(ends[-1])).get_single_element()

  def open_shard(index: tf.Tensor) -> tf.data.Dataset:
    return tf.data.Dataset.range(tf.gather(ends - counts, index), tf.gather(ends, index))

  return Store(open_shard, lambda numbers: tf.gather(records, numbers))


def _opener(
  paths: Sequence[str], shards: Sequence[ShardInfo], ahead_bytes: int = 0
) -> order.OpenShard:
  """Returns what opens a shard; to read more or fewer records of it than there are is an error."""
  counts = np.array([shard.num_records for shard in shards], np.int64)
  read_bytes = ahead_bytes or (_FAR_BYTES if _is_far(paths) else _LOCAL_BYTES)

  def open_shard(index: tf.Tensor) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset(tf.gather(list(paths), index), buffer_size=read_bytes)
    return records.apply(tf.data.experimental.assert_cardinality(tf.gather(counts, index)))

  return open_shard


def _is_far(paths: Sequence[str]) -> bool:
  return any('://' in path for path in paths)


def _check_memory(shards: Sequence[ShardInfo]) -> None:
  wanted = sum(shard.num_bytes + _RECORD_BYTES * shard.num_records for shard in shards)
  free = free_memory.free_bytes()
  if free is not None and wanted > free:
    raise errors.DatasetError(
      f'--cache=memory needs {wanted / 1e9:.2f} GB for the split {shards[0].split!r}, and '
      f'{free / 1e9:.2f} GB are free. Keep copies on a disk of this machine (--cache=disk), or '
      'read the data where it lies (--cache=none).'
    )
