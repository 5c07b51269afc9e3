"""Records in an order in which every batch has each label alike: a pure function of seed and place.

Each label has a stream of its own, which goes through the shards that hold it, pass after pass, as
order.py goes through all, and leaves the other records out. A round takes one record of each
stream; rounds are mixed and cut into batches, so that two labels differ by one record in a batch
at most. In which order a round is mixed stays the same up to where a round and a batch end
together, and is then drawn anew.

What is held does not grow with the data set: one round, what the streams share for mixing, and
blocks of the shards that are open; in front of a cache in memory 8 bytes a record, its label.

Imports TensorFlow: for the trainer only.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfrecords.pipeline import buffers, order, tf_options

_BLOCK_RECORDS = 8

# From records, or what stands for them, [n], to their labels, int64 [n].
LabelsOf = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Balance:
  """What decides which record comes when, without end.

  Attributes:
    batch_size: Records of a batch, which has each label alike.
    seed: Decides the order.
    shuffle_records: Records that are held for mixing, over all labels.
    start: Records that are left out at the beginning.
    chunk_records: Records whose labels are looked at together.
    num_readers: Streams that are read from at once; the order does not depend on it.
  """

  batch_size: int
  seed: int = 0
  shuffle_records: int = 4096
  start: int = 0
  chunk_records: int = buffers.CHUNK_RECORDS
  num_readers: int = tf.data.AUTOTUNE


def balanced(
  counts: Sequence[Sequence[int]],
  open_shard: order.OpenShard,
  labels_of: LabelsOf,
  balance: Balance,
) -> tf.data.Dataset:
  """Returns records without end, from the start on; a label that nobody has is left out.

  Args:
    counts: Records of each label, for each shard.
    open_shard: Gives the records of a shard.
    labels_of: Gives the labels of some.
    balance: See there.
  """
  by_label = np.array(counts, np.int64).T
  labels = np.flatnonzero(by_label.sum(axis=1))
  by_label = by_label[labels]
  first_round, skipped = divmod(balance.start, len(labels))
  streams = tf.data.Dataset.from_tensor_slices(
    (labels, *_starts(by_label, first_round, seed=balance.seed))
  )
  read = _stream_reader(by_label, open_shard, labels_of, balance)
  rounds = (
    streams.interleave(
      tf_options.as_written(read),
      cycle_length=len(labels),
      block_length=1,
      num_parallel_calls=min(balance.num_readers, len(labels)),  # AUTOTUNE is -1.
      deterministic=True,
    )
    .batch(len(labels), drop_remainder=True)
    .enumerate(first_round)
  )
  # So many rounds are as many records as some whole batches, for the first time.
  same_rounds = balance.batch_size // math.gcd(balance.batch_size, len(labels))

  def mixed(number: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
    seeds = tf.stack([tf.constant(balance.seed, tf.int64), number // same_rounds])
    return tf.gather(
      records, tf.random.experimental.stateless_shuffle(tf.range(len(labels)), seed=seeds)
    )

  return rounds.map(tf_options.as_written(mixed)).unbatch().skip(skipped)


def _starts(
  by_label: NDArray[np.int64], first_round: int, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
  """Returns for each label its place among all, the number of its first group and what is left out.

  Args:
    by_label: Records of each label [label, shard].
    first_round: Records of each that are left out.
    seed: Decides the order.
  """
  found = []
  for place, counts in enumerate(by_label):
    mine = counts[counts > 0]
    bounds = order.group_bounds(len(mine), _cycle_shards(by_label))
    found.append(order.locate(mine, bounds, seed=_seed(seed, place), start=first_round))
  groups, skipped = np.array(found, np.int64).T
  return np.arange(len(by_label)), groups, skipped


def _stream_reader(
  by_label: NDArray[np.int64], open_shard: order.OpenShard, labels_of: LabelsOf, balance: Balance
) -> Callable[..., tf.data.Dataset]:
  """Returns the function from a label, its place and where it starts to its records without end."""
  places, shards = np.nonzero(by_label)
  ends = np.cumsum(np.bincount(places, minlength=len(by_label)))
  begins = np.concatenate([[0], ends[:-1]])
  counts = by_label[places, shards]
  cycle = _cycle_shards(by_label)
  shuffle_records = max(1, balance.shuffle_records // len(by_label))

  def read(label: tf.Tensor, place: tf.Tensor, group: tf.Tensor, skipped: tf.Tensor) -> tf.Tensor:
    seed = _seed(balance.seed, place)
    begin, end = tf.gather(begins, place), tf.gather(ends, place)
    num_groups = order.num_groups(end - begin, cycle)

    def open_one(index: tf.Tensor) -> tf.data.Dataset:
      chunks = open_shard(tf.gather(shards, index)).batch(balance.chunk_records)
      mine = chunks.map(
        tf_options.as_written(lambda some: tf.boolean_mask(some, labels_of(some) == label))
      ).unbatch()
      return mine.apply(tf.data.experimental.assert_cardinality(tf.gather(counts, index)))

    def group_records(number: tf.Tensor) -> tf.data.Dataset:
      picked = order.group_of(end - begin, number, num_groups=num_groups, seed=seed)
      return order.mixed(
        tf.data.Dataset.from_tensor_slices(begin + picked).interleave(
          tf_options.as_written(open_one), cycle_length=cycle, block_length=_BLOCK_RECORDS
        ),
        shuffle_records,
        seeds=(seed + 1, number),
      )

    groups = tf.data.Dataset.range(group, order.ENDLESS)
    return groups.flat_map(tf_options.as_written(group_records)).skip(skipped)

  return read


def _cycle_shards(by_label: NDArray[np.int64]) -> int:
  return buffers.cycle_shards(len(by_label), most=order.CYCLE_SHARDS)


def _seed(seed: int, place: int | tf.Tensor) -> int | tf.Tensor:
  """Returns the seed of a label's stream: labels do not go through shards in step."""
  return seed + (place + 1) * 1_000_003
