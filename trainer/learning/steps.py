"""The compiled arithmetic of training, exact on any number of replicas.

`keras.Model.fit` averages the means of the replicas, which is wrong as soon as a batch does not
divide evenly, and NaN where a replica gets nothing. Here losses are summed over examples and
divided by the true number of them in the whole batch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from schemas import record
from trainer.augment import chain
from trainer.data import input_pipeline
from trainer.devices import replicas
from trainer.devices import workers as workers_lib
from trainer.learning import accumulation, averaging, batch_statistics, forward, optimizers
from trainer.learning import losses as losses_lib
from trainer.runs import training_state

_SUM = tf.distribute.ReduceOp.SUM


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepScores:
  """The scores of some steps, one value each.

  Attributes:
    losses: Mean over the whole batch, float32 [num_steps].
    num_correct: Examples whose label had the highest logit, int64 [num_steps].
    counts: Examples, int64 [num_steps].
    skipped: Whether the weights stayed as they were, as the gradient was too large for float16,
      bool [num_steps]; None where no loss is scaled, and no step is ever skipped.
    wait_s: Seconds that these steps waited for their batches, all together.
  """

  losses: NDArray[np.float32]
  num_correct: NDArray[np.int64]
  counts: NDArray[np.int64]
  skipped: NDArray[np.bool_] | None = None
  wait_s: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
  """How a step is taken.

  Attributes:
    clip_norm: Longest gradient, over all weights and for the whole batch; longer ones are shortened
      to it. 0: as long as they are.
    accumulate: Batches that make a step, one after the other, as if they were one.
    jit_compile: Whether XLA compiles the forward and the backward pass.
  """

  clip_norm: float = 0.0
  accumulate: int = 1
  jit_compile: bool = False


class Steps:
  """Training steps of one model under one strategy."""

  def __init__(
    self,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    strategy: tf.distribute.Strategy,
    *,
    feature_name: str,
    losses: losses_lib.Losses | None = None,
    settings: Settings | None = None,
    averages: averaging.Averages | None = None,
    augmented: forward.Forward | None = None,
  ) -> None:
    """Takes a model and an optimizer that were made, and the latter built, in strategy.scope().

    Args:
      model: Features in, logits out; batch_statistics.make_exact was called with it.
      optimizer: Follows the gradient.
      strategy: Spreads each step over replicas.
      feature_name: What of a batch the model takes.
      losses: What training makes small; cross-entropy by default.
      settings: How a step is taken; by the defaults of its class if they are not given.
      averages: Moving averages that are kept of the weights, if any.
      augmented: The model with what is done to its examples in training, and who teaches it, if
        there is any of that.
    """
    settings = settings or Settings()
    self._model = model
    self._optimizer = optimizer
    self._strategy = strategy
    self._feature_name = feature_name
    self._losses = losses or losses_lib.Losses()
    self._clip_norm = settings.clip_norm
    self._averages = averages
    self._augmented = augmented
    self._num_parts = settings.accumulate
    self._sums: accumulation.Sums | None = None
    if self._num_parts > 1:
      self._sums = accumulation.Sums(model.trainable_variables, strategy, num_parts=self._num_parts)
    self._is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    self._gradients = self._scaled_gradients
    if settings.jit_compile:
      self._gradients = tf.function(self._scaled_gradients, jit_compile=True)
    self._compiled_train = tf.function(self._train_steps)
    self._graph: tf.Graph | None = None

  @property
  def variables(self) -> dict[str, Any]:
    """All that a step changes, by name: weights, the optimizer's, averages, random numbers."""
    averages = self._averages.variables if self._averages else ()
    return training_state.name_all(
      model=self._model.variables, optimizer=self._optimizer.variables, averages=averages
    )

  @property
  def learning_rate(self) -> float:
    """The optimizer's, now."""
    return float(keras.ops.convert_to_numpy(self._optimizer.learning_rate))

  @property
  def trunk_learning_rate(self) -> float | None:
    """That of the trunk, now; None where it has none of its own."""
    factor = optimizers.slow_factor(self._optimizer)
    return None if factor == 1 else factor * self.learning_rate

  @property
  def graph(self) -> tf.Graph | None:
    """The compiled training steps; None before the first."""
    return self._graph

  def train(self, batches: Iterator[Any], num_steps: int) -> StepScores:
    """Takes `num_steps` steps of gradient descent and returns the scores of each.

    Args:
      batches: Iterator over what input_pipeline.train_batches gave.
      num_steps: How many.
    """
    # A tensor, so that another number compiles nothing anew.
    arguments = (batches, tf.constant(num_steps))
    if self._graph is None:
      self._graph = self._compiled_train.get_concrete_function(*arguments).graph
    found = [x.numpy() for x in self._compiled_train(*arguments)]
    losses, num_correct, counts, skipped, wait_s = found
    return StepScores(
      losses=losses,
      num_correct=num_correct,
      counts=counts,
      skipped=skipped > 0 if self._is_scaled else None,
      wait_s=float(wait_s),
    )

  def averaged_weights(self) -> contextlib.AbstractContextManager[None]:
    """Returns a block in which the model has the averages of its weights, where they are kept."""
    return self._averages.in_use() if self._averages else contextlib.nullcontext()

  def _train_steps(
    self, batches: Any, num_steps: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """The graph of `train`; returns StepScores' fields."""
    losses = tf.TensorArray(tf.float32, size=num_steps)
    correct = tf.TensorArray(tf.int64, size=num_steps)
    counts = tf.TensorArray(tf.int64, size=num_steps)
    skips = tf.TensorArray(tf.int64, size=num_steps)
    wait_s, count = tf.zeros((), tf.float64), tf.zeros((), tf.int64)
    for i in tf.range(num_steps):
      if self._sums is None:
        batch, waited_s = _next(batches, after=count)
        parts = self._strategy.run(self._train_replica, args=(batch,))
        loss_sum, num_correct, count, num_skipped = (self._total(part) for part in parts)
      else:
        loss_sum, num_correct, count, waited_s = self._add_parts(self._sums, batches, after=count)
        num_skipped = self._total(self._strategy.run(self._end_parts, args=(self._sums,)))
      wait_s += waited_s
      if self._averages:
        self._averages.update(inner(self._optimizer).iterations.value)
      losses = losses.write(i, loss_sum / tf.cast(count, tf.float32))
      correct = correct.write(i, num_correct)
      counts = counts.write(i, count)
      skips = skips.write(i, num_skipped)
    return losses.stack(), correct.stack(), counts.stack(), skips.stack(), wait_s

  def _add_parts(
    self, sums: accumulation.Sums, batches: Any, *, after: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Adds up a step's gradient; returns its loss sum, right ones, examples and seconds waited."""
    loss_sum, num_correct = tf.zeros(()), tf.zeros((), tf.int64)
    count, wait_s = tf.zeros((), tf.int64), tf.zeros((), tf.float64)
    done = after
    for _ in tf.range(self._num_parts):
      batch, waited_s = _next(batches, after=done)
      found = self._strategy.run(self._add_replica, args=(sums, batch))
      part_loss, part_correct, done = (self._total(part) for part in found)
      loss_sum, num_correct, count = loss_sum + part_loss, num_correct + part_correct, count + done
      wait_s += waited_s
    return loss_sum, num_correct, count, wait_s

  def _add_replica(
    self, sums: accumulation.Sums, batch: dict[str, tf.Tensor]
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Adds one replica's gradient of a part of a step; returns its sums."""
    count, everywhere = _counts(batch)
    gradients, loss_sum, num_correct = self._gradients(batch, everywhere)
    sums.add(gradients, everywhere)
    return loss_sum, num_correct, count

  def _end_parts(self, sums: accumulation.Sums) -> tf.Tensor:
    """Moves the weights by what the parts have come to; returns 1 if that was skipped."""
    return self._move(sums.take())

  def _train_replica(
    self, batch: dict[str, tf.Tensor]
  ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """One step on one replica's part of the batch; returns its sums, and 1 if it was skipped."""
    count, everywhere = _counts(batch)
    gradients, loss_sum, num_correct = self._gradients(batch, everywhere)
    return loss_sum, num_correct, count, self._move(gradients)

  def _move(self, gradients: list[tf.Tensor | None]) -> tf.Tensor:
    """Moves the weights by all replicas' gradients; returns 1 if that was skipped."""
    replica = tf.distribute.get_replica_context()
    skipped = tf.zeros((), tf.int64)
    if self._is_scaled:
      gradients, overflows = replicas.with_shared_overflow(gradients, replica)
      skipped = tf.cast(overflows, tf.int64)
    if self._clip_norm:
      gradients = self._clipped(gradients, replica)
    self._optimizer.apply(gradients, self._model.trainable_variables)
    return skipped

  def _scaled_gradients(
    self, batch: dict[str, tf.Tensor], everywhere: tf.Tensor
  ) -> tuple[list[tf.Tensor | None], tf.Tensor, tf.Tensor]:
    """Returns one replica's gradients, loss sum and right ones; what XLA may compile."""
    with tf.GradientTape() as tape:
      loss_sum, num_correct = self._train_scores(batch)
      # The optimizer adds the gradients of all replicas: the sum of these parts is the mean.
      loss = (loss_sum / everywhere + self._penalty()) / self._num_parts
      scaled = self._optimizer.scale_loss(loss)
    return tape.gradient(scaled, self._model.trainable_variables), loss_sum, num_correct

  def _clipped(
    self, gradients: list[tf.Tensor | None], replica: tf.distribute.ReplicaContext
  ) -> list[tf.Tensor | None]:
    """Returns this replica's gradients, shortened so that the sum over replicas is short enough.

    Keras would clip the part of each replica, which is another step for each number of them.
    """
    parts = [gradient for gradient in gradients if gradient is not None]
    whole = replica.all_reduce(_SUM, parts) if replica.num_replicas_in_sync > 1 else parts
    limit = self._optimizer.scale_loss(tf.constant(self._clip_norm))
    factor = limit / tf.maximum(tf.linalg.global_norm(whole), limit)
    return [g if g is None else g * tf.cast(factor, g.dtype) for g in gradients]

  def _train_scores(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns loss sum and right ones of one replica's part; zeros if it is empty."""
    labels, logits, taught = self._logits(batch)
    right = tf.equal(tf.argmax(logits, axis=-1, output_type=labels.dtype), labels)  # [part]
    return (
      tf.reduce_sum(
        chain.losses(functools.partial(self._losses.training, taught=taught), labels, logits, batch)
      ),
      tf.math.count_nonzero(right),
    )

  def _logits(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Returns labels [part], logits and a teacher's [part, num_labels] of one replica's part."""
    labels, examples = replicas.labels_apart(batch)
    inputs = input_pipeline.model_input(examples, self._feature_name)
    with batch_statistics.part_of(tf.shape(labels)[0]):
      if self._augmented:
        logits, taught = self._augmented(inputs, examples)
      else:
        logits, taught = self._model(inputs, training=True), None
    part = tf.shape(labels)[0]
    return labels, logits[:part], None if taught is None else taught[:part]

  def _penalty(self) -> tf.Tensor | float:
    """This replica's share of what the layers add to the loss (weight decay)."""
    return sum(self._model.losses) / self._strategy.num_replicas_in_sync

  def _total(self, part: Any) -> tf.Tensor:
    return self._strategy.reduce(_SUM, part, axis=None)


def _next(batches: Any, *, after: tf.Tensor) -> tuple[Any, tf.Tensor]:
  """Returns the next batch, asked for when `after` is there, and the seconds that it took."""
  with tf.control_dependencies([after]):
    asked_s = replicas.clock_s()
  with tf.control_dependencies([asked_s]):
    batch = next(batches)
  with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
    waited_s = replicas.clock_s() - asked_s
  return batch, waited_s


def _counts(batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
  """Returns the examples of this replica's part of a batch, int64, and of all, float32."""
  count = tf.shape(batch[record.LABEL], tf.int64)[0]
  replica = tf.distribute.get_replica_context()
  return count, tf.cast(replica.all_reduce(_SUM, count), tf.float32)


def inner(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
  """Returns the optimizer that moves the weights: the one inside of loss scaling, if there is."""
  return getattr(optimizer, 'inner_optimizer', optimizer)


def draw_apart(model: keras.Model, workers: workers_lib.Workers) -> None:
  """Gives each replica random numbers of its own.

  Mirrored seeds are equal: every replica would drop the same units of its examples.
  """
  for variable in model.variables:
    if not variable.path.endswith('seed_generator_state'):
      continue
    copies = workers.strategy.experimental_local_results(variable.value)
    first = copies[0].numpy()
    for i, copy in enumerate(copies, start=workers.first_replica):
      copy.assign(first + np.array([i, 0], first.dtype))
