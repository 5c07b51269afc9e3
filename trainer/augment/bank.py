"""Recordings in memory, and what of them each example of a batch gets."""

from __future__ import annotations

import functools
import os

from features.decoding import held_recordings
from trainer.lazy import tf


class Bank:
  """Recordings that tf.data takes from. They stay in the machine's memory, once for all devices."""

  def __init__(self, held: held_recordings.Held) -> None:
    """Takes the recordings."""
    self.held = held

  def pieces(self, which: tf.Tensor, where: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
    """Returns a piece of a recording for each example, int16 [batch, num_samples].

    Args:
      which: Numbers in [0, 1) that choose the recording, float32 [batch].
      where: Likewise where in it the piece begins. A recording that is shorter is repeated.
      num_samples: Of each piece.
    """
    starts, lengths = self._chosen(which)
    num_samples = tf.cast(num_samples, tf.int64)
    free = tf.maximum(lengths - num_samples, 0)
    free = tf.where(lengths < num_samples, lengths - 1, free)
    begins = tf.cast(tf.cast(where, tf.float64) * tf.cast(free + 1, tf.float64), tf.int64)
    places = tf.minimum(begins, free)[:, tf.newaxis] + tf.range(num_samples)
    return tf.gather(self._samples, starts[:, tf.newaxis] + places % lengths[:, tf.newaxis])

  def wholes(self, which: tf.Tensor) -> tf.Tensor:
    """Returns a whole recording for each example, int16 [batch, longest], with zeros behind."""
    starts, lengths = self._chosen(which)
    places = tf.range(tf.constant(int(self.held.lengths.max()), tf.int64))[tf.newaxis]
    is_there = places < lengths[:, tf.newaxis]
    found = tf.gather(self._samples, starts[:, tf.newaxis] + tf.where(is_there, places, 0))
    return tf.where(is_there, found, tf.zeros([], tf.int16))

  def _chosen(self, which: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where the chosen recordings begin and how long they are, int64 [batch] of both."""
    count = len(self.held.lengths)
    chosen = tf.minimum(tf.cast(which * count, tf.int32), count - 1)
    return tf.gather(self.held.starts, chosen), tf.gather(self.held.lengths, chosen)

  @functools.cached_property
  def _samples(self) -> tf.Tensor:
    # Outside of any graph: it is handed to that of tf.data, and does not become a part of it.
    with tf.init_scope(), tf.device('CPU:0'):
      return tf.constant(self.held.samples)


def changed_ns(folder: str) -> int:
  """Returns when a folder was changed last, for who keeps what was read of it; 0 for none."""
  return os.stat(folder).st_mtime_ns if folder and os.path.exists(folder) else 0
