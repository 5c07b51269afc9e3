"""Rows of real audio and rows of padding: what stands behind a clip's end must not count.

Batches of clips of any length are padded to the longest. These operations keep the padding out of
a model, so that the logits of a clip do not depend on what it is batched with. They are Keras's own
operations, so that a saved model opens without this project.
"""

from __future__ import annotations

from typing import Any

from trainer.lazy import keras


def zeros_behind(x: Any, num_rows: Any) -> Any:
  """Returns `x` [batch, rows, ...] with zeros from row `num_rows` [batch] on."""
  return keras.ops.where(_is_real(x, num_rows), x, keras.ops.zeros_like(x))


def mean_over_rows(x: Any, num_rows: Any) -> Any:
  """Returns the mean of the first `num_rows` [batch] rows of `x` [batch, rows, ...], float32.

  float32 whatever the policy: float16 would overflow in the sum over a long clip.
  """
  x = keras.ops.cast(x, 'float32')
  total = keras.ops.sum(zeros_behind(x, num_rows), axis=1)
  count = keras.ops.cast(num_rows, 'float32')
  return total / keras.ops.reshape(count, (-1, *[1] * (len(x.shape) - 2)))


def _is_real(x: Any, num_rows: Any) -> Any:
  """Returns bool [batch, rows, 1, ...]: which rows of `x` are in front of the end."""
  # 1, 2, 3, ...: the number of rows is known only when the model runs.
  first = x[(slice(None), slice(None), *[0] * (len(x.shape) - 2))]  # [batch, rows]
  positions = keras.ops.cumsum(keras.ops.ones_like(first, dtype='int32'), axis=1)
  real = positions <= keras.ops.expand_dims(num_rows, 1)
  for _ in x.shape[2:]:
    real = keras.ops.expand_dims(real, -1)
  return real
