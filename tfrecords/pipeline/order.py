"""In which order the records of a split are read: a pure function of a seed and a position.

A pass over the split goes through groups of shards, in an order that follows from the seed and the
number of the pass. The shards of a group are read at once, and a buffer mixes their records. So a
stream can begin anywhere: whole passes and groups before that place are not read at all, and what
lies before it inside of its group is read, but not parsed.

Imports TensorFlow: for the trainer only.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tfrecords.pipeline import tf_options

# Shards read at once. The data job packs a train split into at least 16 where it can.
CYCLE_SHARDS = 16
# Records taken from a shard before the next one's turn.
_BLOCK_RECORDS = 8
ENDLESS = np.iinfo(np.int64).max

# From the index of a shard, int64 [], to its records in order.
OpenShard = Callable[[tf.Tensor], tf.data.Dataset]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
  """What decides which record comes when.

  Attributes:
    shuffle: Whether shards and records are mixed, anew in each pass.
    repeat: Whether passes go on forever.
    seed: Decides the order, where they are mixed.
    shuffle_records: Records that are held for mixing.
    start: Records that are left out at the beginning.
    deterministic: Whether records come in their order; else in the order in which they are ready.
  """

  shuffle: bool = False
  repeat: bool = False
  seed: int = 0
  shuffle_records: int = 4096
  start: int = 0
  deterministic: bool = True


def ordered(
  counts: Sequence[int],
  open_shard: OpenShard,
  order: Order,
  *,
  num_readers: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
  """Returns the records of shards in an order, from its start on.

  Args:
    counts: Records of each shard, none of them 0.
    open_shard: Gives the records of a shard.
    order: See there.
    num_readers: Shards that are read from at once; the order does not depend on it.
  """

  def interleaved(shards: tf.Tensor, num_shards: int) -> tf.data.Dataset:
    return _interleaved(
      shards,
      open_shard,
      num_shards,
      deterministic=order.deterministic,
      num_readers=num_readers,
    )

  if order.shuffle:
    return _shuffled(np.array(counts), interleaved, order)
  records = interleaved(tf.range(len(counts), dtype=tf.int64), len(counts))
  if not order.repeat:
    return records.skip(order.start)
  return records.repeat().skip(order.start % sum(counts))


def _shuffled(
  counts: NDArray[np.int64],
  interleaved: Callable[[tf.Tensor, int], tf.data.Dataset],
  order: Order,
) -> tf.data.Dataset:
  bounds = group_bounds(len(counts))
  count = len(bounds) - 1

  def group_records(number: tf.Tensor) -> tf.data.Dataset:
    shards = group_of(len(counts), number, num_groups=count, seed=order.seed)
    records = interleaved(shards, -(-len(counts) // count))
    return mixed(records, order.shuffle_records, seeds=(order.seed + 1, number))

  first, skipped = locate(counts, bounds, seed=order.seed, start=order.start)
  last = ENDLESS if order.repeat else count
  return (
    tf.data.Dataset.range(first, last).flat_map(tf_options.as_written(group_records)).skip(skipped)
  )


def num_groups(num_shards: int | tf.Tensor, cycle_shards: int = CYCLE_SHARDS) -> int | tf.Tensor:
  """Returns how many groups there are in a pass."""
  return -(-num_shards // cycle_shards)


def group_bounds(num_shards: int, cycle_shards: int = CYCLE_SHARDS) -> NDArray[np.int64]:
  """Returns where the groups begin among the shards of a pass, and where the last ends.

  They are of about equal size, so that none is a single shard.
  """
  count = num_groups(num_shards, cycle_shards)
  return np.arange(count + 1, dtype=np.int64) * num_shards // count


def group_of(
  num_shards: int | tf.Tensor,
  number: tf.Tensor,
  *,
  num_groups: int | tf.Tensor,
  seed: int | tf.Tensor,
) -> tf.Tensor:
  """Returns the shards of a group, counted over all passes."""
  shards = _pass_order(num_shards, seed, number // num_groups)
  group = number % num_groups
  return shards[group * num_shards // num_groups : (group + 1) * num_shards // num_groups]


def locate(
  counts: NDArray[np.int64], bounds: NDArray[np.int64], *, seed: int, start: int
) -> tuple[int, int]:
  """Returns the number of the group where an order starts, and what is left out of that group.

  Args:
    counts: Records of each shard.
    bounds: Of the groups.
    seed: Decides the order.
    start: Records that are left out at the beginning.
  """
  number, rest = divmod(start, int(counts.sum()))
  with tf.device('CPU:0'):  # Where the pipeline runs.
    shards = _pass_order(len(counts), seed, tf.constant(number, tf.int64)).numpy()
  ends = np.cumsum(counts[shards])[bounds[1:] - 1]  # Records up to the end of each group.
  group = int(np.searchsorted(ends, rest, side='right'))
  before = int(ends[group - 1]) if group else 0
  return number * (len(bounds) - 1) + group, rest - before


def _pass_order(num_shards: int | tf.Tensor, seed: int | tf.Tensor, number: tf.Tensor) -> tf.Tensor:
  """Returns the order of the shards in a pass, int64 [num_shards]."""
  shards = tf.range(num_shards, dtype=tf.int64)
  return tf.random.experimental.stateless_shuffle(shards, seed=tf.stack([seed, number]))


def _interleaved(
  shards: tf.Tensor,
  open_shard: OpenShard,
  num_shards: int,
  *,
  deterministic: bool,
  num_readers: int,
) -> tf.data.Dataset:
  """Returns the records of some shards, at most `num_shards`, a few of each in turn."""
  cycle = min(CYCLE_SHARDS, num_shards)
  return tf.data.Dataset.from_tensor_slices(shards).interleave(
    tf_options.as_written(open_shard),
    cycle_length=cycle,
    block_length=_BLOCK_RECORDS,
    num_parallel_calls=min(num_readers, cycle),  # AUTOTUNE is -1.
    deterministic=deterministic,
  )


def mixed(
  records: tf.data.Dataset, num_records: int, *, seeds: tuple[int | tf.Tensor, tf.Tensor]
) -> tf.data.Dataset:
  """Returns records, each picked out of `num_records` that are held, by seeds."""
  # Dataset.shuffle would mix the seed of the process into these, and the order would not follow
  # from ours alone.
  shuffled = tf.raw_ops.ShuffleDataset(
    input_dataset=tf.data.experimental.to_variant(records),
    buffer_size=num_records,
    seed=seeds[0],
    seed2=seeds[1],
    output_types=[records.element_spec.dtype],
    output_shapes=[records.element_spec.shape],
    reshuffle_each_iteration=False,
  )
  return tf.data.experimental.from_variant(shuffled, records.element_spec)
