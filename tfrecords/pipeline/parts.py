"""Divides batches among replicas. Imports TensorFlow: for the trainer only."""

from collections.abc import Mapping

import tensorflow as tf

from tfrecords.pipeline import shares, tf_options


def divided(batches: tf.data.Dataset, share: shares.Share) -> tf.data.Dataset:
  """Returns the parts of each batch that a reader takes, one after the other, as batches.

  Every batch gives as many parts, empty ones where it has fewer examples, so that all replicas take
  the same number of steps and meet every example once.

  Args:
    batches: A tensor [batch, ...], or a dictionary of such.
    share: What of them.
  """
  if share.num_parts == 1:
    return batches

  def parts_of(batch: tf.Tensor | Mapping[str, tf.Tensor]) -> tf.data.Dataset:
    numbers = tf.data.Dataset.range(share.first_part, share.last_part)
    return numbers.map(tf_options.as_written(lambda number: _part(batch, number, share.num_parts)))

  return batches.flat_map(tf_options.as_written(parts_of))


def _part(
  batch: tf.Tensor | Mapping[str, tf.Tensor], number: tf.Tensor, num_parts: int
) -> tf.Tensor | Mapping[str, tf.Tensor]:
  """Returns one of the parts, as shares.part_bounds says."""
  size = tf.shape(tf.nest.flatten(batch)[0], tf.int64)[0]
  least, more = size // num_parts, size % num_parts
  start = number * least + tf.minimum(number, more)
  end = start + least + tf.cast(number < more, tf.int64)

  def cut(tensor: tf.Tensor) -> tf.Tensor:
    whole = tensor.shape[0]
    part = tensor[start:end]
    # Known to the graph where all parts are equal.
    known = whole // num_parts if whole is not None and whole % num_parts == 0 else None
    return tf.ensure_shape(part, [known, *tensor.shape[1:]])

  return tf.nest.map_structure(cut, batch)
