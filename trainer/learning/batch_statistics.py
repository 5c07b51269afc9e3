"""Batch normalisation that is the same on any number of devices, and blind to padding.

Keras's layer takes mean and variance of what its own replica has, moves the statistics of each
replica by those, and so lets replicas drift apart: a checkpoint has those of the first alone. With
`synchronized` it adds up squares in float32, which loses the variance of large values, and only
where there is no mask.

Here the layers of a model stay Keras's, so that it opens without this project. While it trains,
each of them takes mean and variance over the values of all replicas that are neither padding nor
made up for a replica that got no examples. Training divides by that variance (of the values, not
the estimate with n - 1) and moves the statistics by it, so that serving does what training did.

Moving statistics are those of the latest weights. `Measured` finds those of other weights.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from schemas import errors
from trainer.data import input_pipeline
from trainer.devices import replicas

_SUM = tf.distribute.ReduceOp.SUM

_part = threading.local()  # A replica's step is traced in a thread of its own.


def make_exact(model: keras.Model) -> None:
  """Makes every batch normalisation of a model, and of models in it, exact in training.

  Where clips have lengths of their own, the layer is called with `mask`: bool, of the input's shape
  without its last axis (or 1 in place of a size), False behind a clip's end. Layers that are frozen
  use their moving statistics, as Keras's do. Nothing of this is saved with the model.

  Raises:
    ConfigError: if one does batch renormalisation.
  """
  for layer in layers(model):
    if getattr(layer, 'renorm', False):
      raise errors.ConfigError(
        f'Layer {layer.name!r} does batch renormalisation (renorm=True), which is not exact on '
        'several devices and is not trained here. Freeze it, or make the model without it.'
      )
    # The instance's, in front of the class's.
    layer.call = _Call(layer)


def layers(model: keras.Model) -> list[keras.layers.BatchNormalization]:
  """Returns the batch normalisations of a model, and of models and layers in it, each once."""
  return [
    layer
    for layer in model._flatten_layers(include_self=True, recursive=True)
    if isinstance(layer, keras.layers.BatchNormalization)
  ]


@contextlib.contextmanager
def part_of(count: tf.Tensor) -> Iterator[None]:
  """Says of how many examples a replica's part is, while a model is called with it in training.

  Args:
    count: 0: what the model gets was made up (replicas.at_least_one), and must not count.
  """
  _part.count = count
  try:
    yield
  finally:
    _part.count = None


class Measured:
  """Statistics of the weights that a model has now: means over some batches.

  What Izmailov et al. 2018 (Averaging Weights Leads to Wider Optima and Better Generalization) do
  behind training with averaged weights. Unlike theirs the model is in inference, but for its batch
  normalisation: what dropout does to variances is not what serving meets, and no random number is
  drawn.
  """

  def __init__(
    self,
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    make_batches: Callable[[], Any],
    *,
    num_batches: int,
    feature_name: str,
  ) -> None:
    """Takes a model that make_exact was called with, and what gives its batches.

    Args:
      model: Its layers that are frozen keep their statistics.
      strategy: Shares the batches.
      make_batches: Called where there is something to measure; at least `num_batches`, the same
        each time that they are iterated.
      num_batches: How many are taken.
      feature_name: What of a batch the model takes.
    """
    self._model = model
    self._strategy = strategy
    self._make_batches = make_batches
    self._batches: Any = None
    self._num_batches = num_batches
    self._feature_name = feature_name
    self._compiled = tf.function(self._measure)

  @contextlib.contextmanager
  def in_use(self) -> Iterator[None]:
    """Lets the model serve with them inside the block; behind it all is as it was."""
    moving = [
      variable.value
      for layer in layers(self._model)
      if layer.trainable
      for variable in (layer.moving_mean, layer.moving_variance)
    ]
    if not moving:
      yield
      return
    # Replicas have the same.
    before = [self._strategy.experimental_local_results(one)[0].numpy() for one in moving]
    try:
      if self._batches is None:
        self._batches = self._make_batches()
      self._compiled(iter(self._batches))
      yield
    finally:
      for variable, value in zip(moving, before, strict=True):
        for copy in self._strategy.experimental_local_results(variable):
          copy.assign(value)

  def _measure(self, batches: Any) -> None:
    for i in tf.range(self._num_batches):
      self._strategy.run(self._measure_replica, args=(next(batches), i))

  def _measure_replica(self, batch: dict[str, tf.Tensor], num_seen: tf.Tensor) -> tf.Tensor:
    """Takes one replica's part of a batch into the means; returns its number of examples."""
    labels, examples = replicas.labels_apart(batch)
    count = tf.shape(labels)[0]
    _part.num_seen = num_seen
    try:
      with part_of(count):
        self._model(input_pipeline.model_input(examples, self._feature_name), training=False)
    finally:
      _part.num_seen = None
    return count


class _Call:
  """What stands in front of the `call` of a layer."""

  def __init__(self, layer: keras.layers.BatchNormalization) -> None:
    self._layer = layer
    self._without = type(layer).call

  def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """As keras.layers.BatchNormalization.call."""
    layer = self._layer
    num_seen = getattr(_part, 'num_seen', None)
    if not layer.trainable or not (training or num_seen is not None):
      return self._without(layer, inputs, training=training, mask=mask)
    # Keras's rule too: the sums of half precision would overflow.
    x = tf.cast(inputs, tf.float32)
    axes = [axis for axis in range(len(x.shape)) if axis != layer.axis % len(x.shape)]
    if mask is not None and axes[-1] == len(x.shape) - 1:
      raise ValueError(f'Layer {layer.name!r}: a mask wants the channels on the last axis.')
    mean, variance, total = _merged(*_moments(x, axes, mask))
    momentum = layer.momentum
    if num_seen is not None:
      momentum = tf.cast(num_seen, tf.float32) / (tf.cast(num_seen, tf.float32) + 1)
    for moving, new in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
      _move(moving, new, momentum, keep=_is_unusable(mean, variance, total))
    outputs = keras.ops.batch_normalization(
      x,
      mean,
      variance,
      axis=layer.axis,
      offset=layer.beta if layer.center else None,
      scale=layer.gamma if layer.scale else None,
      epsilon=layer.epsilon,
    )
    return tf.cast(outputs, layer.compute_dtype)


def _moments(
  x: tf.Tensor, axes: list[int], mask: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Returns mean [channels], sum of squared differences from it [channels] and count [] of a part.

  Two passes: the mean may be large beside the deviation.
  """
  # As whole numbers: float32 counts to 2**24, and a batch may have more values.
  counted = tf.reduce_prod(tf.gather(tf.shape(x, tf.int64), axes))
  if mask is not None:
    per_place = counted // tf.size(mask, tf.int64)
    counted = tf.math.count_nonzero(mask) * per_place
    mask = tf.cast(mask, tf.bool)[..., None]
    x = tf.where(mask, x, tf.zeros((), x.dtype))
  count = tf.cast(counted, tf.float32)
  mean = tf.math.divide_no_nan(tf.reduce_sum(x, axes, keepdims=True), count)
  # The mean is where the sum is least: there is no gradient by way of it.
  squares = tf.math.squared_difference(x, tf.stop_gradient(mean))
  if mask is not None:
    squares = tf.where(mask, squares, tf.zeros((), x.dtype))
  squares = tf.reduce_sum(squares, axes)
  mean = tf.reshape(mean, squares.shape)
  examples = getattr(_part, 'count', None)
  if examples is not None:
    count = tf.where(examples > 0, count, 0.0)
  return mean, squares, count


def _merged(
  mean: tf.Tensor, squares: tf.Tensor, count: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Returns mean [channels], variance [channels] and count [] of all replicas, of what each has."""
  replica = tf.distribute.get_replica_context()
  if replica is not None and replica.num_replicas_in_sync > 1:
    # Each in its own row: one exchange, whose sums round nothing, and the same bits for all.
    num_channels = mean.shape[0]
    row = tf.concat([mean, squares, count[None]], axis=0)
    place = tf.one_hot(
      tf.cast(replica.replica_id_in_sync_group, tf.int32), replica.num_replicas_in_sync
    )
    # Not by multiplication: what is not finite on one replica would be so in the rows of all.
    placed = tf.where(place[:, None] > 0, row[None], tf.zeros((), row.dtype))
    rows = replica.all_reduce(_SUM, placed)
    means, all_squares, counts = tf.split(rows, [num_channels, num_channels, 1], axis=1)
  else:
    means, all_squares, counts = mean[None], squares[None], count[None, None]
  # Chan, Golub & LeVeque 1979: sums of squares about means of parts, merged.
  total = tf.reduce_sum(counts)
  everywhere = tf.reduce_sum(tf.where(counts > 0, means * counts, 0.0), axis=0)
  mean = tf.math.divide_no_nan(everywhere, total)
  between = counts * tf.math.squared_difference(means, tf.stop_gradient(mean))
  parts = tf.where(counts > 0, all_squares + between, 0.0)
  return mean, tf.math.divide_no_nan(tf.reduce_sum(parts, axis=0), total), total


def _is_unusable(mean: tf.Tensor, variance: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
  """Returns bool [channels]: nothing was counted, or values overflowed in float16.

  Loss scaling skips such a step, but statistics that are no number once stay so.
  """
  is_finite = tf.math.is_finite(mean) & tf.math.is_finite(variance)
  return tf.logical_not(is_finite & (total > 0))


def _move(moving: Any, new: tf.Tensor, momentum: Any, *, keep: tf.Tensor) -> None:
  old = tf.convert_to_tensor(moving)
  moved = old * momentum + new * (1.0 - momentum)
  moving.assign(tf.where(keep, old, moved))
