"""From where the records of shards are read, pass after pass: their files, a copy, or the memory.

A store stands behind the order of records (order.py) and does not change it: whatever it is, the
same batches come. Imports TensorFlow: for the trainer only.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from schemas import errors
from schemas.manifest import ShardInfo
from tfrecords import storage
from tfrecords.pipeline import buffers, caches, local_copies, order, tf_options
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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class File:
  """A shard, or an excerpt of one.

  Attributes:
    path: Where the file lies.
    whole: What is said of the file.
    taken: What is said of what is read of it.
    is_taken: Which of its records are read, bool [records of the file]; None for all.
  """

  path: str
  whole: ShardInfo
  taken: ShardInfo
  is_taken: NDArray[np.bool_] | None = None


def whole(paths: Sequence[str], shards: Sequence[ShardInfo]) -> list[File]:
  """Returns shards of which every record is read."""
  return [
    File(path=path, whole=shard, taken=shard) for path, shard in zip(paths, shards, strict=True)
  ]


def make(
  cache: str,
  files: Sequence[File],
  *,
  folder: str = '',
  ahead_bytes: int = 0,
) -> Store:
  """Returns the store of some shards.

  Args:
    cache: One of caches.CACHES.
    files: The shards.
    folder: For the copies of `disk`.
    ahead_bytes: Bytes asked from the storage at once, per shard; 0 for the usual.

  Raises:
    DatasetError: if the memory or the disk does not suffice, or a file cannot be copied.
  """
  if cache == caches.MEMORY:
    return _in_memory(files)
  if cache == caches.DISK:
    # Whole files, so that folds of a data set share them.
    by_path = {file.path: file.whole for file in files}
    copies = local_copies.fetch(
      list(by_path), list(by_path.values()), folder, storage.storage_of(files[0].path)
    )
    copy_of = dict(zip(by_path, copies, strict=True))
    files = [dataclasses.replace(file, path=copy_of[file.path]) for file in files]
  # On this machine as many as there are cores; far away they wait more than they compute.
  num_readers = order.CYCLE_SHARDS if _is_far(files) else tf.data.AUTOTUNE
  return Store(_opener(files, ahead_bytes), tf.identity, num_readers)


def _in_memory(files: Sequence[File]) -> Store:
  _check_memory([file.taken for file in files])
  counts = [file.taken.num_records for file in files]
  ends = np.cumsum(counts)
  whole = tf.data.Dataset.range(len(files)).flat_map(tf_options.as_written(_opener(files)))
  # Moved into the batch, not copied.
  records = whole.batch(int(ends[-1])).get_single_element()

  def open_shard(index: tf.Tensor) -> tf.data.Dataset:
    return tf.data.Dataset.range(tf.gather(ends - counts, index), tf.gather(ends, index))

  return Store(open_shard, lambda numbers: tf.gather(records, numbers))


def _opener(files: Sequence[File], ahead_bytes: int = 0) -> order.OpenShard:
  """Returns what opens a shard; to read more or fewer records of it than there are is an error."""
  paths = [file.path for file in files]
  counts = np.array([file.whole.num_records for file in files], np.int64)
  read_bytes = ahead_bytes or (_FAR_BYTES if _is_far(files) else _LOCAL_BYTES)

  def open_file(index: tf.Tensor) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset(tf.gather(paths, index), buffer_size=read_bytes)
    return records.apply(tf.data.experimental.assert_cardinality(tf.gather(counts, index)))

  if all(file.is_taken is None for file in files):
    return open_file
  return _excerpt_opener(files, open_file)


def _excerpt_opener(files: Sequence[File], open_file: order.OpenShard) -> order.OpenShard:
  """Returns what opens files of which not all records are read; a byte is held for each record."""
  masks = [
    np.ones(file.whole.num_records, np.bool_) if file.is_taken is None else file.is_taken
    for file in files
  ]
  ends = np.cumsum([len(mask) for mask in masks])
  begins = np.concatenate([[0], ends[:-1]])
  counts = np.array([file.taken.num_records for file in files], np.int64)
  with tf.device('CPU:0'):  # Where the pipeline runs.
    is_taken = tf.constant(np.concatenate(masks))

  def open_part(index: tf.Tensor) -> tf.data.Dataset:
    mask = is_taken[tf.gather(begins, index) : tf.gather(ends, index)]
    # In chunks: a call for each record takes three times as long as reading it does. The records
    # stand first, so that a file with more of them than the mask is noticed.
    pairs = (open_file(index), tf.data.Dataset.from_tensor_slices(mask))
    chunks = tf.data.Dataset.zip(pairs).batch(buffers.CHUNK_RECORDS)
    records = chunks.map(tf_options.as_written(tf.boolean_mask)).unbatch()
    return records.apply(tf.data.experimental.assert_cardinality(tf.gather(counts, index)))

  return open_part


def _is_far(files: Sequence[File]) -> bool:
  return any('://' in file.path for file in files)


def _check_memory(shards: Sequence[ShardInfo]) -> None:
  wanted = sum(shard.num_bytes + _RECORD_BYTES * shard.num_records for shard in shards)
  free = free_memory.free_bytes()
  if free is not None and wanted > free:
    raise errors.DatasetError(
      f'--cache=memory needs {wanted / 1e9:.2f} GB for the split {shards[0].split!r}, and '
      f'{free / 1e9:.2f} GB are free. Keep copies on a disk of this machine (--cache=disk), or '
      'read the data where it lies (--cache=none).'
    )
