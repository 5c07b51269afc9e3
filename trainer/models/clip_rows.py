"""Rows of clips on their way through a model: what a layer does to their number stands here, once.

Batches of clips of any length are padded to the longest. These functions carry the rows of each
clip along, and keep what stands behind them out of convolutions, pools, statistics, recurrent
layers and means: the logits of a clip do not depend on what it is batched with. They are Keras's
own layers and operations, so that a saved model opens without this project.

Axes are [batch, rows, ...]: rows are frames, samples, or lines of pixels.

The same functions build the form of a model that hears frame by frame: see `streams`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from schemas import errors
from trainer.lazy import keras
from trainer.models import streams

# What a layer finds in front of the first and behind the last row.
VALID, SAME, CAUSAL = 'valid', 'same', 'causal'


@dataclasses.dataclass(frozen=True)
class Rows:
  """Values and how many of their rows are real.

  Attributes:
    values: float [batch, rows, ...]; or [batch, units], where the rows have been summed up.
    num_rows: int32 [batch]; None where all rows of all clips are real.
  """

  values: Any
  num_rows: Any = None

  @property
  def rank(self) -> int:
    """The number of axes of `values`, the batch among them."""
    return len(self.values.shape)

  @property
  def tensors(self) -> list[Any]:
    """The values, and the number of rows if clips have their own."""
    return [self.values] if self.num_rows is None else [self.values, self.num_rows]

  def through(self, function: Any) -> Rows:
    """Returns these rows behind a layer or function that takes each row by itself."""
    if streams.current() and isinstance(function, keras.Model):
      streams.refuse('is a network of its own that takes a clip as a whole')
    return Rows(function(self.values), self.num_rows)


def of(tensors: Any) -> Rows:
  """Returns rows of what a model gives: values, or a list of values and the number of rows."""
  return Rows(*tensors) if isinstance(tensors, (list, tuple)) else Rows(tensors)


def windowed(x: Rows, layer: Any, *, padding: str | None = None, bins: str | None = None) -> Rows:
  """Returns rows behind a convolution or a pool: a layer whose windows stand over several rows.

  Args:
    x: values [batch, rows, channels] for a 1-D layer, [batch, rows, bins, channels] for a 2-D one.
    layer: Keras's Conv, DepthwiseConv, SeparableConv, MaxPooling or AveragePooling, 1-D or 2-D.
      Where its padding is `same`, a window of length k that steps by s stands over rows
      from s * i - (k - 1) // 2 on, however long the batch is: TensorFlow would let that depend on
      the length. So a layer that steps is turned into a `valid` one behind zeros.
    padding: In place of the layer's own; CAUSAL for 1-D: a row sees none behind it.
    bins: That of the other axis of a 2-D layer, where it is not the same.
  """
  sizes, strides, dilations = _geometry(layer)
  spans = [(size - 1) * dilation + 1 for size, dilation in zip(sizes, dilations, strict=True)]
  padding = padding or layer.padding
  stream = streams.current()
  if stream and (spans[0] == strides[0] == 1 or stream.passes_windows):
    stream = None  # Each row by itself.
  if stream and (padding != CAUSAL or strides[0] > 1):
    raise streams.LooksAheadError('has windows over frames that are still to come')
  if stream:
    layer.padding = VALID
    return Rows(layer(stream.joined(x.values, spans[0] - 1)))
  if padding == VALID:
    layer.padding = VALID
    return Rows(layer(x.values), _over(x.num_rows, lambda n: (n - spans[0]) // strides[0] + 1))
  if not hasattr(layer, 'kernel_size'):
    raise ValueError(f'{layer.name}: a pool takes whole windows only (padding="valid").')
  if spans[0] > 1:
    x = zeros_behind(x)
  values = x.values
  bins = bins or padding
  layer.padding = padding
  if padding != bins or padding == CAUSAL or any(stride > 1 for stride in strides):
    layer.padding = VALID
    if bins == VALID:
      spans[1:] = [1] * (len(spans) - 1)  # Nothing is added there.
    before = [span - 1 if padding == CAUSAL else (span - 1) // 2 for span in spans]
    zeros = [(first, span - 1 - first) for first, span in zip(before, spans, strict=True)]
    make = keras.layers.ZeroPadding1D if len(spans) == 1 else keras.layers.ZeroPadding2D
    # (before, behind) for one axis, a pair of such for two.
    values = make(zeros[0] if len(spans) == 1 else zeros, name=f'{layer.name}_padding')(values)
  return Rows(layer(values), _over(x.num_rows, lambda n: (n - 1) // strides[0] + 1))


def _geometry(layer: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
  """Returns the sizes, steps and dilations of a layer's windows, the axis of rows first."""
  sizes = getattr(layer, 'kernel_size', None) or layer.pool_size
  return (
    tuple(sizes),
    tuple(layer.strides),
    tuple(getattr(layer, 'dilation_rate', (1,) * len(sizes))),
  )


def _over(num_rows: Any, function: Any) -> Any:
  return None if num_rows is None else function(num_rows)


def at_least(x: Rows, min_rows: int) -> Rows:
  """Returns clips of `min_rows` rows or more: shorter ones are that long, with zeros at their end.

  Zeros are the train split's mean. Where all clips are of one length they must be long enough.
  """
  if x.num_rows is None or min_rows < 2:
    return x
  x = zeros_behind(x)
  missing = (0, min_rows - 1)  # The shortest clip has one row.
  if x.rank == 4:
    values = keras.layers.ZeroPadding2D((missing, (0, 0)), dtype='float32', name='padding')(
      x.values
    )
  else:
    values = keras.layers.ZeroPadding1D(missing, dtype='float32', name='padding')(x.values)
  return Rows(values, keras.ops.maximum(x.num_rows, min_rows))


def add(x: Rows, y: Rows) -> Rows:
  """Returns the sum of rows and of others of the same clips; axes of size 1 are repeated."""
  return x.through(lambda values: values + y.values)


def batch_norm(x: Rows, *, name: str, momentum: float = 0.9, **settings: Any) -> Rows:
  """Returns rows of mean 0 and variance 1 per channel over the batch, scaled and shifted.

  Rows behind a clip's end do not count. In training learning.batch_statistics makes it exact over
  devices.

  Args:
    x: values [batch, rows, ..., channels].
    name: Of the layer.
    momentum: The share of the moving statistics that a step leaves. Keras's 0.99 would need 500
      steps to forget what it began with, which is more than many runs have.
    **settings: Others of keras.layers.BatchNormalization.
  """
  layer = keras.layers.BatchNormalization(momentum=momentum, name=name, **settings)
  if x.num_rows is None:
    return Rows(layer(x.values))
  real = is_real(x)
  for axis in range(2, x.rank - 1):  # Keras wants one for every value that it sums.
    real = keras.ops.repeat(keras.ops.expand_dims(real, -1), x.values.shape[axis], axis=-1)
  return Rows(_without_mask(layer(x.values, mask=real)), x.num_rows)


def recurrent(x: Rows, layer: Any) -> Rows:
  """Returns rows behind a recurrent layer: of each row, or of the last one without any rows.

  Args:
    x: values [batch, rows, units].
    layer: Keras's LSTM, GRU, SimpleRNN, or Bidirectional of these.
  """
  stream = streams.current()
  if stream:
    return Rows(stream.recurrent(x.values, layer))
  if x.num_rows is None:
    return Rows(layer(x.values))
  values = _without_mask(layer(x.values, mask=is_real(x)))
  return Rows(values, x.num_rows if len(values.shape) == 3 else None)


def _without_mask(values: Any) -> Any:
  """Returns values to which the mask that a layer was given does not stick.

  Keras hands it on, of whatever shape, to layers that want another or warn that they know none.
  """
  return keras.ops.copy(values)


def as_image(x: Rows) -> Rows:
  """Returns values [batch, rows, bins, channels]; [batch, rows, bins] has one channel."""
  if x.rank == 4:
    return x
  height = x.values.shape[1] or -1
  shape = (height, *x.values.shape[2:], 1)
  return x.through(keras.layers.Reshape(shape, dtype='float32', name='image'))


def as_sequence(x: Rows) -> Rows:
  """Returns values [batch, rows, units]: all that a row holds in one axis."""
  if x.rank == 3:
    return x
  units = math.prod(x.values.shape[2:])  # 1 of samples.
  return x.through(keras.layers.Reshape((x.values.shape[1] or -1, units), name='sequence'))


def flat(x: Rows) -> Rows:
  """Returns values [batch, units]; clips of any length have to be summed up before."""
  if x.num_rows is not None:
    raise errors.ConfigError('Clips of any length cannot be flattened.')
  if x.rank > 2:
    streams.refuse('takes each frame by its place in the clip')
  return x if x.rank == 2 else x.through(keras.layers.Flatten(name='flatten'))


def mean(x: Rows) -> Rows:
  """Returns the mean over each clip's own rows, float32 [batch, ...] without rows.

  float32 whatever the policy: float16 would overflow in the sum over a long clip.
  """
  x = _all_rows(x)
  values = keras.ops.cast(x.values, 'float32')
  if x.num_rows is None:
    return Rows(keras.ops.mean(values, axis=1))
  total = keras.ops.sum(zeros_behind(Rows(values, x.num_rows)).values, axis=1)
  count = keras.ops.cast(x.num_rows, 'float32')
  return Rows(total / keras.ops.reshape(count, (-1, *[1] * (x.rank - 2))))


def deviation(x: Rows) -> Rows:
  """Returns the standard deviation over each clip's own rows, float32 [batch, ...] without rows.

  At least 0.001, so that its gradient is finite where all rows are alike.
  """
  x = _all_rows(x)
  values = keras.ops.cast(x.values, 'float32')
  distances = values - keras.ops.expand_dims(mean(x).values, 1)
  variance = mean(Rows(keras.ops.square(distances), x.num_rows))
  return variance.through(lambda values: keras.ops.sqrt(values + 1e-6))


def largest(x: Rows) -> Rows:
  """Returns the largest over each clip's own rows, [batch, ...] without rows."""
  x = _all_rows(x)
  values = x.values
  if x.num_rows is not None:
    # The least that half precision holds.
    values = keras.ops.where(is_real(x, rank=x.rank), values, keras.ops.full_like(values, -65504.0))
  return Rows(keras.ops.max(values, axis=1))


def weighted(x: Rows, scores: Any) -> Rows:
  """Returns the mean over each clip's own rows by weights that sum to 1, float32 [batch, units].

  Args:
    x: values [batch, rows, units].
    scores: [batch, rows, 1]; the weights are exp(score), and 0 behind the end.
  """
  streams.refuse('weighs all frames of a clip against each other', everywhere=True)
  scores = keras.ops.cast(scores, 'float32')
  if x.num_rows is not None:
    scores = keras.ops.where(is_real(x, rank=3), scores, keras.ops.full_like(scores, -1e9))
  weights = keras.ops.softmax(scores, axis=1)
  return Rows(keras.ops.sum(weights * keras.ops.cast(x.values, 'float32'), axis=1))


def attended(x: Rows, *, heads: int, name: str) -> Rows:
  """Returns for each row a mean of the values of its clip's own rows, by several weightings.

  Scaled dot products of queries and keys, and softmax: Vaswani et al., "Attention Is All You Need"
  (2017). Scores and weights are float32 whatever the policy.

  Args:
    x: Queries, keys and values side by side, [batch, rows, 3 * units].
    heads: How many weightings; each is of as many of the units.
    name: In front of the names of the layers.
  """
  streams.refuse('lets each frame of a clip attend to all others', everywhere=True)
  height, units = x.values.shape[1] or -1, x.values.shape[2] // 3
  split = keras.layers.Reshape((height, 3, heads, units // heads), name=f'{name}_split')
  turn = keras.layers.Permute((2, 3, 1, 4), name=f'{name}_turn')
  turned = turn(split(x.values))  # [batch, 3, heads, rows, units / heads]
  queries, keys, values = (turned[:, i] for i in range(3))
  queries = queries * (units // heads) ** -0.5
  scores = keras.ops.matmul(queries, keras.ops.transpose(keys, (0, 1, 3, 2)))
  scores = keras.ops.cast(scores, 'float32')
  if x.num_rows is not None:
    real = keras.ops.expand_dims(keras.ops.expand_dims(is_real(x), 1), 1)
    scores = keras.ops.where(real, scores, keras.ops.full_like(scores, -1e9))
  weights = keras.ops.cast(keras.ops.softmax(scores, axis=-1), values.dtype)
  found = keras.ops.matmul(weights, values)
  back = keras.layers.Permute((2, 1, 3), name=f'{name}_back')(found)
  return Rows(keras.layers.Reshape((height, units), name=f'{name}_joined')(back), x.num_rows)


def up_to(x: Rows, longest: int) -> Rows:
  """Returns clips of at most so many rows, without what stands behind them."""
  streams.refuse('takes each frame by its place in the clip')
  if x.num_rows is None:
    return x.through(lambda values: values[:, :longest])
  return Rows(x.values[:, :longest], keras.ops.minimum(x.num_rows, longest))


def behind_a_zero(x: Rows) -> Rows:
  """Returns clips with a row of zeros in front of the first."""
  streams.refuse('takes each frame by its place in the clip')
  make = keras.layers.ZeroPadding1D((1, 0), name='first_row')
  return Rows(make(x.values), None if x.num_rows is None else x.num_rows + 1)


def places(x: Rows) -> Any:
  """Returns int32 [1, rows]: 0, 1, 2, ..., as many as the batch has."""
  first = x.values[(slice(0, 1), slice(None), *[0] * (x.rank - 2))]
  return keras.ops.cumsum(keras.ops.ones_like(first, dtype='int32'), axis=1) - 1


def _all_rows(x: Rows) -> Rows:
  """Returns the rows that a clip has; of a stream, those of its last window."""
  stream = streams.current()
  if stream is None or x.num_rows is not None:
    return x
  return Rows(*stream.last_rows(x.values))


def zeros_behind(x: Rows) -> Rows:
  """Returns values with zeros behind each clip's end."""
  if x.num_rows is None:
    return x
  real = is_real(x, rank=x.rank)
  return x.through(lambda values: keras.ops.where(real, values, keras.ops.zeros_like(values)))


def is_real(x: Rows, *, rank: int = 2) -> Any:
  """Returns bool [batch, rows, 1, ...] of so many axes: which rows are in front of the end."""
  # 1, 2, 3, ...: the number of rows is known only when the model runs.
  first = x.values[(slice(None), slice(None), *[0] * (x.rank - 2))]  # [batch, rows]
  positions = keras.ops.cumsum(keras.ops.ones_like(first, dtype='int32'), axis=1)
  real = positions <= keras.ops.expand_dims(x.num_rows, 1)
  for _ in range(2, rank):
    real = keras.ops.expand_dims(real, -1)
  return real
