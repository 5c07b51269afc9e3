"""Batches of clips of similar length, with little padding. Imports TensorFlow: for the trainer."""

from collections.abc import Callable

import tensorflow as tf

from tfrecords.pipeline import tf_options

# Lengths up to this ratio apart may change places, so that a small split has other batches in each
# pass.
_SIMILAR = 1.25


def sorted_in_pools(
  records: tf.data.Dataset,
  load: Callable[[tf.Tensor], tf.Tensor],
  *,
  batch_size: int,
  num_batches: int,
  seed: int,
  first_pool: int = 0,
) -> tf.data.Dataset:
  """Returns serialized records so that those of a batch are about equally long.

  Buckets of fixed lengths would wait for `batch_size` records each: of a rare length the same few,
  again and again.

  Args:
    records: Or what stands for them, from the beginning of a pool on.
    load: From these, [n], to serialized records, string [n].
    batch_size: Records of a batch.
    num_batches: Batches of a pool.
    seed: Decides the order.
    first_pool: The number of the pool that begins.
  """
  size = num_batches * batch_size

  def arrange(index: tf.Tensor, numbers: tf.Tensor) -> tf.data.Dataset:
    pool = load(numbers)
    jitter = tf.random.stateless_uniform([tf.size(pool)], [seed, index], 1.0, _SIMILAR)
    lengths = tf.cast(tf.strings.length(pool), tf.float32) * jitter
    pool = tf.gather(pool, tf.argsort(lengths, stable=True))
    num_full = tf.size(pool) // batch_size
    order = tf.random.experimental.stateless_shuffle(tf.range(num_full), seed=[seed, index])
    full = tf.reshape(pool[: num_full * batch_size], [num_full, batch_size])
    # The rest, where a split ends, stands last.
    shuffled = tf.reshape(tf.gather(full, order), [-1])
    return tf.data.Dataset.from_tensor_slices(
      tf.concat([shuffled, pool[num_full * batch_size :]], axis=0)
    )

  # Not enumerate(): its numbers would be a second source of elements, and a tf.data service deals
  # out those of every source.
  number = tf_options.as_written(lambda i, pool: (i + 1, (i, pool)))
  numbered = records.batch(size).scan(tf.constant(first_pool, tf.int64), number)
  return numbered.flat_map(tf_options.as_written(arrange))
