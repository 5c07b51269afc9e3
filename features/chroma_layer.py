"""The TensorFlow face of chroma; see features/chroma.py and features/layers.py."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from features import chroma, layers, norms


class Chroma(layers._Spectral):
  """Classes of pitch, by the same filterbank as the kernel's."""

  def __init__(self, **kwargs: Any) -> None:
    super().__init__(chroma.Chroma, **kwargs)
    self._filters = self._parsed.filterbank(self._spec)

  @property
  def _num_columns(self) -> int:
    return int(self._parsed.num_chroma)

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, num_frames, num_chroma]."""
    return _normalised(tf.matmul(self._power(samples), self._filters), self._parsed.norm)


def _normalised(values: Any, norm: str) -> Any:
  """Divides each frame of `values` [batch, num_frames, num_chroma], as norms.normalise does."""
  if norm == 'none':
    return values
  tiny = np.float32(norms.TINY)
  values /= tf.maximum(tf.reduce_max(values, axis=-1, keepdims=True), tiny)
  if norm == 'inf':
    return values
  if norm == 'l1':
    return values / tf.maximum(tf.reduce_sum(values, axis=-1, keepdims=True), tiny)
  # The least under the root: its slope is infinite at 0, and silence would make gradients NaN.
  squares = tf.reduce_sum(tf.square(values), axis=-1, keepdims=True)
  return values / tf.sqrt(tf.maximum(squares, tiny))


# So that keras.models.load_model finds it by name.
keras.saving.register_keras_serializable(package='voxshard', name='Chroma')(Chroma)
