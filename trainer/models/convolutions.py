"""What the convolutional models are made of: a convolution, its normalisation, its activation."""

from __future__ import annotations

from typing import Any

from trainer.lazy import keras
from trainer.models import clip_rows
from trainer.models.clip_rows import Rows


def depthwise(kernel: tuple[int, ...], *, name: str, **settings: Any) -> keras.layers.Layer:
  """Returns a convolution of each channel by itself, without a bias; its rows keep their number.

  Its first weights leave values as large as they are. Keras's own would count the channels among
  what is summed up, and let a deep network's values vanish.

  Args:
    kernel: Of one axis or two.
    name: Of the layer.
    **settings: Others of keras.layers.DepthwiseConv1D or 2D.
  """
  if keras.config.dtype_policy().name == 'mixed_bfloat16':
    # TensorFlow 2.21 does not come back from this layer on a CPU, where a window of 25 rows or more
    # stands over 300 of them. It is the least of the arithmetic of a model.
    settings = {'dtype': 'float32', **settings}
  make = keras.layers.DepthwiseConv1D if len(kernel) == 1 else keras.layers.DepthwiseConv2D
  return make(
    kernel if len(kernel) > 1 else kernel[0],
    padding='same',
    use_bias=False,
    depthwise_initializer=keras.initializers.VarianceScaling(2.0, mode='fan_out'),
    name=name,
    **settings,
  )


def normed(
  x: Rows,
  conv: Any,
  *,
  activation: str = 'relu',
  norm: Any = None,
  bins: str | None = None,
) -> Rows:
  """Returns rows behind a convolution, batch normalisation and an activation.

  Args:
    x: As clip_rows.windowed takes them.
    conv: Keras's layer; without a bias, as the normalisation has one.
    activation: Keras's name; '' for none.
    norm: Further settings of the normalisation.
    bins: As in clip_rows.windowed.
  """
  return _finished(
    clip_rows.windowed(x, conv, bins=bins), conv.name, activation=activation, norm=norm
  )


def pointwise(
  x: Rows, channels: int, *, name: str, activation: str = 'relu', norm: Any = None
) -> Rows:
  """The same behind a convolution of size 1: a dense layer, which takes 2/3 of the time."""
  dense = keras.layers.Dense(channels, use_bias=False, name=name)
  return _finished(x.through(dense), name, activation=activation, norm=norm)


def _finished(x: Rows, name: str, *, activation: str, norm: Any) -> Rows:
  x = clip_rows.batch_norm(x, name=f'{name}_norm', **(norm or {}))
  if not activation:
    return x
  return x.through(keras.layers.Activation(activation, name=f'{name}_{activation}'))
