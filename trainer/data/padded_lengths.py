"""A few lengths for batches of clips of any length, where each length is compiled by itself.

XLA compiles a step for every shape that it meets, which takes longer than many such steps. So
batches are padded a little more: to 4, 5, 6 or 7 times a power of two. That makes four lengths for
each doubling, and at most 25 % more rows, 9 % on average; models do not let padding count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf


def between(shortest: int, longest: int) -> tuple[int, ...]:
  """Returns the lengths, in rows, to which batches are padded, in order.

  Args:
    shortest: Rows of the shortest clip, and so of the shortest batch that there may be.
    longest: Rows of the longest: no batch gets longer, as models may take no more.
  """
  sizes = [_next(max(1, shortest))]
  while sizes[-1] < longest:
    sizes.append(_next(sizes[-1] + 1))
  return tuple(dict.fromkeys(min(size, longest) for size in sizes))


def _next(size: int) -> int:
  """Returns the least length that is no shorter than `size`."""
  step = 1 << max(0, (size - 1).bit_length() - 3)
  return -(-size // step) * step


def padded(
  batch: Mapping[str, tf.Tensor], feature_name: str, sizes: Sequence[int]
) -> dict[str, tf.Tensor]:
  """Returns a batch whose feature has as many rows as the next of `sizes`, zeros at their end."""
  values = batch[feature_name]
  rows = tf.shape(values)[1]
  # No longer than it is, where it is longer than all of them.
  wanted = tf.reduce_min(tf.where(tf.constant(sizes) >= rows, sizes, tf.int32.max))
  missing = tf.where(wanted < tf.int32.max, wanted - rows, 0)
  behind = [[0, 0], [0, missing], *[[0, 0]] * (len(values.shape) - 2)]
  return {**batch, feature_name: tf.ensure_shape(tf.pad(values, behind), values.shape)}
