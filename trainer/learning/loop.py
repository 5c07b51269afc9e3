"""The training loop: epochs of steps, with exact evaluation between them."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from schemas import errors
from trainer.callbacks import callback
from trainer.devices import workers as workers_lib
from trainer.judging import judge
from trainer.learning import position as position_lib
from trainer.learning import signals, steps
from trainer.measures import counting, scores
from trainer.runs import checkpointer

# How long a call of the compiled function should take.
EXECUTION_S = 2.0
# So many steps in a row that loss scaling skips are no search for the scale any more: it halves it
# each time, and 2**-100 of any loss fits.
MOST_SKIPPED = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """How long to train.

  Attributes:
    epochs: At most.
    steps_per_epoch: Steps that make one pass over the train split.
    steps_per_execution: Steps in one call of the compiled function, at most.
    num_validation: Examples of the validation split, which each pass over it must give; None where
      nobody promises that.
  """

  epochs: int
  steps_per_epoch: int
  steps_per_execution: int
  num_validation: int | None = None

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
    interrupted: The signal that asked to stop, or ''; the run can be continued.
  """

  epochs: tuple[scores.EpochResult, ...]
  stopped: str = ''
  interrupted: str = ''


def steps_per_epoch(num_examples: int, *, batch_size: int) -> int:
  """Returns the number of full batches nearest to one pass, at least 1."""
  return max(1, round(num_examples / batch_size))


class Loop:
  """Trains, evaluates after every epoch, and tells the callbacks."""

  def __init__(
    self,
    compiled: steps.Steps,
    judging: judge.Judge,
    workers: workers_lib.Workers,
    *,
    plan: Plan,
    callbacks: Sequence[callback.Callback],
    position: position_lib.Position | None = None,
    keeper: checkpointer.Keeper | None = None,
    blame: Callable[[int], str] | None = None,
  ) -> None:
    """Takes what takes part in a run.

    Args:
      compiled: The steps.
      judging: Says how good the weights are, between two epochs.
      workers: Who trains.
      plan: How long to train.
      callbacks: In the order in which they hear of things.
      position: Where the run goes on; at its beginning by default.
      keeper: Saves the state now and then, if given.
      blame: From a step whose loss is no number to a sentence on its batch, if given.
    """
    self._compiled = compiled
    self._judge = judging
    self._workers = workers
    self._plan = plan
    self._callbacks = tuple(callbacks)
    self._position = position or position_lib.Position()
    self._keeper = keeper
    self._blame = blame or (lambda step: '')
    self._requests = signals.Requests()
    self._is_stopping = False
    self._execution = 1

  def run(self, train_batches: Any, validation_batches: Any | None) -> Outcome:
    """Runs the plan to its end, or until a callback or a signal asks to stop.

    Args:
      train_batches: Without end, as input_pipeline.train_batches gives them, from the step on at
        which the run stands.
      validation_batches: One pass over the validation split, or None where there is none.

    Raises:
      ConfigError: if the loss is no longer a number, or a state cannot be saved.
      DatasetError: if the validation split is not as large as it was said to be.
    """
    batches = iter(train_batches)
    results = self._position.results
    stopped = self._ask(lambda listener: listener.on_resume(results)) if results else ''
    try:
      with self._requests.heard():
        outcome = self._run(batches, validation_batches, stopped)
      return self._as_asked(outcome)
    finally:
      for listener in self._callbacks:
        listener.on_end()
      if self._keeper:
        self._keeper.close()

  def _run(self, batches: Iterator[Any], validation_batches: Any | None, stopped: str) -> Outcome:
    results = self._position.results
    while not stopped and len(results) < self._plan.epochs:
      self._train(batches)
      if self._is_stopping:
        return Outcome(epochs=tuple(results), interrupted=self._save_and_stop())
      # What is judged and kept are the averages of the weights, where there are any.
      with self._compiled.averaged_weights():
        result = self._result(self._validate(validation_batches))
        stopped = self._ask(lambda listener, new=result: listener.on_epoch(new))
      self._position.end_epoch(result)
      if self._keeper:
        self._keeper.save(self._position.to_json())
    is_early = len(results) < self._plan.epochs
    return Outcome(epochs=tuple(results), stopped=stopped if is_early else '')

  def _as_asked(self, outcome: Outcome) -> Outcome:
    """Returns an outcome, as interrupted where a worker was asked to stop behind its last steps.

    Nobody looks any more then: the state was saved with the epoch, and what follows is left to the
    next time.
    """
    if outcome.interrupted or not self._workers.total([bool(self._requests.signal_name)])[0]:
      return outcome
    return Outcome(epochs=outcome.epochs, interrupted=self._signal_name)

  @property
  def _signal_name(self) -> str:
    return self._requests.signal_name or 'SIGTERM'  # Another worker's.

  def _ask(self, tell: Callable[[callback.Callback], str]) -> str:
    """Tells every callback, also after one that wants to stop; returns the first reason."""
    return next(filter(None, [tell(listener) for listener in self._callbacks]), '')

  def _save_and_stop(self) -> str:
    if self._keeper:
      self._keeper.save(self._position.to_json())
    return self._signal_name

  def _validate(self, batches: Any | None) -> scores.Scores | None:
    if batches is None:
      return None
    found = counting.scores(self._judge.judge(iter(batches)))
    if self._plan.num_validation not in (None, found.num_examples):
      raise errors.DatasetError(
        f'Of the validation split {errors.counted(found.num_examples, "example", "was", "were")} '
        'read, the manifest says '
        f'{self._plan.num_validation:,}. Were the files of --data changed meanwhile? Run `python '
        '-m tfrecords.verify` on it.'
      )
    if not math.isfinite(found.loss):
      raise _runaway(f'The validation loss is {found.loss} after epoch {self._position.epoch}.')
    return found

  def _result(self, validation: scores.Scores | None) -> scores.EpochResult:
    at = self._position
    return scores.EpochResult(
      epoch=at.epoch,
      step=at.step,
      learning_rate=self._compiled.learning_rate,
      train=scores.of_sums(at.loss_sum, num_correct=at.num_correct, num_examples=at.num_examples),
      validation=validation,
      train_s=at.train_s,
      wait_s=at.wait_s,
      skipped_steps=at.num_skipped,
    )

  def _train(self, batches: Iterator[Any]) -> None:
    """Takes the steps that are left of the epoch, or fewer if somebody asks to stop."""
    at = self._position
    last = at.epoch * self._plan.steps_per_epoch
    while at.step < last and not self._is_stopping:
      start_s = time.perf_counter()
      num_steps = self._num_steps(last - at.step)
      found = self._compiled.train(batches, num_steps)
      self._check_finite(found)
      seconds, is_due = self._agree(num_steps, seconds=time.perf_counter() - start_s)
      if num_steps == self._execution:  # Fewer, as at the end of an epoch, tell nothing.
        self._execution = self._plan.next_execution(num_steps, seconds=seconds)
      at.add(found, seconds=seconds)
      self._check_skips(is_end=at.step == last)
      done = self._steps_done(found)
      for listener in self._callbacks:
        listener.on_steps(done)
      if self._keeper and is_due:
        self._keeper.save(at.to_json())

  def _agree(self, num_steps: int, *, seconds: float) -> tuple[float, bool]:
    """Returns what all workers take for the steps' seconds, and whether the state is to be saved.

    Notes when any of them was asked to stop. Each must go the same way, or the others wait for it.
    """
    due = self._keeper is not None and self._keeper.is_due(self._position.step + num_steps)
    asked = bool(self._requests.signal_name)
    seconds, stops, dues = self._workers.total(
      [seconds / self._workers.count, asked, due and self._workers.is_chief]
    )
    self._is_stopping = stops > 0
    return seconds, dues > 0

  def _num_steps(self, left: int) -> int:
    """Returns how many steps the next call takes: no checkpoint may be jumped over."""
    until_due = self._keeper.steps_until_due(self._position.step) if self._keeper else None
    return min(self._execution, left, until_due or left)

  def _steps_done(self, found: steps.StepScores) -> callback.StepsDone:
    at = self._position
    return callback.StepsDone(
      epoch=at.epoch,
      step=at.step,
      step_in_epoch=at.step - len(at.results) * self._plan.steps_per_epoch,
      losses=tuple(found.losses[np.isfinite(found.losses)].tolist()),
      examples_per_s=at.num_examples / at.train_s,
      epoch_s=at.train_s,
      wait_share=at.wait_s / at.train_s,
      learning_rate=self._compiled.learning_rate,
      trunk_learning_rate=self._compiled.trunk_learning_rate,
    )

  def _check_finite(self, found: steps.StepScores) -> None:
    """Raises ConfigError with the first step whose loss is no number, but for skipped ones."""
    is_bad = ~np.isfinite(found.losses)
    if found.skipped is not None:
      is_bad &= ~found.skipped
    bad = np.flatnonzero(is_bad)
    if bad.size:
      step = self._position.step + int(bad[0]) + 1
      raise _runaway(
        f'The loss became {found.losses[bad[0]]} in step {step} (epoch {self._position.epoch}).'
        f'{self._blame(step)}'
      )

  def _check_skips(self, *, is_end: bool) -> None:
    """Raises ConfigError where loss scaling does not find back to gradients that fit float16.

    A few skipped steps are its usual way to find the scale, or an example that float16 has no
    numbers for.
    """
    at = self._position
    if at.skipped_in_row >= MOST_SKIPPED or (is_end and not at.num_examples):
      raise _runaway(
        f'The last {at.skipped_in_row} steps, up to step {at.step} (epoch {at.epoch}), were '
        'skipped: their gradients do not fit float16, however small the loss is scaled.'
        f'{self._blame(at.step)}'
      )


def _runaway(what: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'{what} The weights have run away: lower --learning_rate; with --precision=mixed_float16 try '
    'mixed_bfloat16. The checkpoints of earlier epochs are kept.'
  )
