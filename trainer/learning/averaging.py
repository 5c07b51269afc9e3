"""Moving averages of the weights, which evaluation and the kept models use instead of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainer.learning import batch_statistics


class Averages:
  """An exponential moving average of each trainable weight.

  In step t the average keeps the share min(decay, (1 + t) / (10 + t)), so that a young run is not
  held down by the random weights that it began with (as tf.train.ExponentialMovingAverage does).

  The moving statistics of batch normalisation are those of the latest weights. Those of the
  averages are measured whenever these are used: docs/design.md says what was compared.
  """

  def __init__(
    self,
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    *,
    decay: float,
    statistics: batch_statistics.Measured | None = None,
  ) -> None:
    """Takes a model made in strategy.scope(), and what measures its statistics, if it has any."""
    self._statistics = statistics
    self._weights = [variable.value for variable in model.trainable_variables]
    self._strategy = strategy
    self._decay = decay
    with strategy.scope():
      # The values on one device: a mirrored variable as an initial value is that of each.
      self._averages = [
        tf.Variable(weight.numpy(), trainable=False, dtype=weight.dtype) for weight in self._weights
      ]
    self._compiled_swap = tf.function(self._swap)

  @property
  def variables(self) -> Sequence[Any]:
    """The averages, or while they are in use the weights."""
    return tuple(self._averages)

  def update(self, step: tf.Tensor) -> None:
    """Adds the weights after step `step`, from 0; in a graph, outside the replicas."""
    count = tf.cast(step, tf.float32)
    kept = tf.minimum(self._decay, (1 + count) / (10 + count))
    for average, weight in zip(self._averages, self._weights, strict=True):
      self._strategy.extended.update(average, _move, args=(weight, kept))

  @contextlib.contextmanager
  def in_use(self) -> Iterator[None]:
    """Lets the model compute with the averages inside the block; behind it all is as it was."""
    self._compiled_swap()
    try:
      with self._statistics.in_use() if self._statistics else contextlib.nullcontext():
        yield
    finally:
      self._compiled_swap()

  def _swap(self) -> None:
    for average, weight in zip(self._averages, self._weights, strict=True):
      self._strategy.extended.update(average, _exchange, args=(weight,))


def _move(average: tf.Variable, weight: tf.Variable, kept: tf.Tensor) -> None:
  average.assign_sub((1 - kept) * (average - weight))


def _exchange(average: tf.Variable, weight: tf.Variable) -> None:
  old = tf.identity(weight)
  with tf.control_dependencies([old]):
    new = tf.identity(average)
    with tf.control_dependencies([new]):
      weight.assign(new)
      average.assign(old)
