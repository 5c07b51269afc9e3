"""The training loop: epochs of steps, with exact evaluation between them."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from schemas import errors
from trainer import scores, steps
from trainer.callbacks import callback

# How long a call of the compiled function should take.
EXECUTION_S = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """How long to train.

  Attributes:
    epochs: At most.
    steps_per_epoch: Steps that make one pass over the train split.
    steps_per_execution: Steps in one call of the compiled function, at most.
  """

  epochs: int
  steps_per_epoch: int
  steps_per_execution: int

  def next_execution(self, latest: int, *, seconds: float) -> int:
    """Returns how many steps the next call may take, after `latest` steps took `seconds`.

    Between two calls numbers are shown and Ctrl-C is heard, so a call of slow steps stays short.
    """
    if seconds > 2 * EXECUTION_S:
      return max(1, latest // 2)
    return min(self.steps_per_execution, 2 * latest) if seconds < EXECUTION_S / 2 else latest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
  """What a run came to.

  Attributes:
    epochs: One result per epoch.
    stopped: Why it ended before the last epoch, or ''.
  """

  epochs: tuple[scores.EpochResult, ...]
  stopped: str


def steps_per_epoch(num_examples: int, *, batch_size: int) -> int:
  """Returns the number of full batches nearest to one pass, at least 1."""
  return max(1, round(num_examples / batch_size))


class Loop:
  """Trains, evaluates after every epoch, and tells the callbacks."""

  def __init__(
    self, compiled: steps.Steps, *, plan: Plan, callbacks: Sequence[callback.Callback]
  ) -> None:
    """Takes callbacks in the order in which they hear of things."""
    self._compiled = compiled
    self._plan = plan
    self._callbacks = tuple(callbacks)
    self._step = 0
    self._execution = 1

  def run(self, train_batches: Any, validation_batches: Any | None) -> Outcome:
    """Runs the plan to its end, or until a callback asks to stop.

    Args:
      train_batches: Without end, as input_pipeline.train_batches gives them.
      validation_batches: One pass over the validation split, or None where there is none.

    Raises:
      ConfigError: if the loss is no longer a number.
    """
    batches = iter(train_batches)
    results: list[scores.EpochResult] = []
    stopped = ''
    try:
      while not stopped and len(results) < self._plan.epochs:
        train, train_s = self._train(len(results) + 1, batches)
        # What is judged and kept are the averages of the weights, where there are any.
        with self._compiled.averaged_weights():
          validation = self._validate(len(results) + 1, validation_batches)
          results.append(self._result(len(results) + 1, train, validation, train_s=train_s))
          # Every callback hears of the epoch, also of one after which another wants to stop.
          reasons = [listener.on_epoch(results[-1]) for listener in self._callbacks]
        stopped = next(filter(None, reasons), '')
    finally:
      for listener in self._callbacks:
        listener.on_end()
    is_early = len(results) < self._plan.epochs
    return Outcome(epochs=tuple(results), stopped=stopped if is_early else '')

  def _validate(self, epoch: int, batches: Any | None) -> scores.Scores | None:
    if batches is None:
      return None
    found = self._compiled.evaluate(iter(batches))
    if not math.isfinite(found.loss):
      raise _runaway(f'The validation loss is {found.loss} after epoch {epoch}.')
    return found

  def _result(
    self, epoch: int, train: scores.Scores, validation: scores.Scores | None, *, train_s: float
  ) -> scores.EpochResult:
    return scores.EpochResult(
      epoch=epoch,
      step=self._step,
      learning_rate=self._compiled.learning_rate,
      train=train,
      validation=validation,
      train_s=train_s,
    )

  def _train(self, epoch: int, batches: Iterator[Any]) -> tuple[scores.Scores, float]:
    """Returns the scores of one epoch's steps and the seconds they took."""
    loss_sum, num_correct, num_examples, steps_done = 0.0, 0, 0, 0
    start_s = time.perf_counter()
    while steps_done < self._plan.steps_per_epoch:
      num_steps = min(self._execution, self._plan.steps_per_epoch - steps_done)
      found = self._execute(batches, num_steps)
      self._check_finite(found.losses, epoch)
      self._step += num_steps
      steps_done += num_steps
      loss_sum += float(np.dot(found.losses.astype(np.float64), found.counts))
      num_correct += int(found.num_correct.sum())
      num_examples += int(found.counts.sum())
      epoch_s = time.perf_counter() - start_s
      done = callback.StepsDone(
        epoch=epoch,
        step=self._step,
        step_in_epoch=steps_done,
        losses=tuple(found.losses.tolist()),
        examples_per_s=num_examples / epoch_s,
        epoch_s=epoch_s,
      )
      for listener in self._callbacks:
        listener.on_steps(done)
    train_s = time.perf_counter() - start_s
    return scores.of_sums(loss_sum, num_correct=num_correct, num_examples=num_examples), train_s

  def _execute(self, batches: Iterator[Any], num_steps: int) -> steps.StepScores:
    start_s = time.perf_counter()
    found = self._compiled.train(batches, num_steps)
    if num_steps == self._execution:  # The rest of an epoch may be fewer, which tells nothing.
      seconds = time.perf_counter() - start_s
      self._execution = self._plan.next_execution(num_steps, seconds=seconds)
    return found

  def _check_finite(self, losses: np.ndarray, epoch: int) -> None:
    """Raises ConfigError with the first step whose loss is no number."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
      step = self._step + int(bad[0]) + 1
      raise _runaway(f'The loss became {losses[bad[0]]} in step {step} (epoch {epoch}).')


def _runaway(what: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'{what} The weights have run away: lower --learning_rate; with --precision=mixed_float16 try '
    'mixed_bfloat16. The checkpoints of earlier epochs are kept.'
  )
