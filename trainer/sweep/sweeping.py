"""The work of a sweep: takes trials, runs each as a process, prunes, and notes what came of it."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas import errors
from trainer.child_processes import child
from trainer.sweep import journal as journal_lib
from trainer.sweep import leases as leases_lib
from trainer.sweep import objective, search_space, standings

PROCESSES = 'processes'  # Below --output: leases, and what each process said.
_POLL_S, _WAIT_S = 0.25, 2.0
_PATIENCE_S = 60.0  # So long a process may take to write its checkpoint.
# How often the process of a trial may die before the trial counts as failed.
_MOST_DEATHS = 3
# So many failures in a row end the sweep: then it is not the trials.
_MOST_FAILURES = 3

COMPLETE, PRUNED, FAIL, RUNNING = 'COMPLETE', 'PRUNED', 'FAIL', 'RUNNING'


def trial_name(number: int) -> str:
  """Returns the name of a trial's folder."""
  return f'trial-{number:04d}'


@dataclasses.dataclass
class _Running:
  """A trial at work here.

  Attributes:
    trial: Optuna's.
    chosen: What it has.
    epochs: Its history, or its folds.
    process: None before the first, and where its run is finished already.
    deaths: How often its process died.
    pruned_at: The epoch, or the number of folds, at which it was ended; 0 as long as it was not.
  """

  trial: Any
  chosen: Mapping[str, str]
  epochs: objective.Epochs | objective.Folds
  process: Any = None
  deaths: int = 0
  pruned_at: int = 0

  @property
  def name(self) -> str:
    return trial_name(self.trial.number)


class Sweeping:
  """Works off the trials of a sweep, side by side with whoever shares its folder."""

  def __init__(
    self,
    output: str,
    space: search_space.Space,
    journal: journal_lib.Journal,
    *,
    num_trials: int,
    jobs: int,
    devices: Sequence[str] = (),
    say: Callable[[str], None] = print,
    start: Callable[..., Any] | None = None,
  ) -> None:
    """Takes what is to be done.

    Args:
      output: The folder of the sweep.
      space: What its trials may be.
      journal: Its memory.
      num_trials: How many there are to be; a grid knows itself.
      jobs: How many run at a time, here.
      devices: GPUs that these take in turn, as CUDA_VISIBLE_DEVICES names them; nothing: all see
        all.
      say: Takes lines for the user.
      start: Makes what a Child is; None for one.
    """
    self.output = output
    self._space = space
    self._journal = journal
    self._num_trials = num_trials
    self._jobs = jobs
    self._devices = tuple(devices)
    self._say = say
    self.start = start or child.Child
    self.leases = leases_lib.Leases(os.path.join(output, PROCESSES))
    self._active: list[_Running | None] = [None] * jobs
    self._failures = 0
    self._is_waiting = False

  def folder(self, number: int) -> str:
    """Returns the run folder of a trial."""
    return os.path.join(self.output, trial_name(number))

  def arguments(self, number: int, chosen: Mapping[str, str], *others: str) -> list[str]:
    """Returns the flags of the process of a trial."""
    return self._space.arguments_of_trial(chosen, f'--run_dir={self.folder(number)}', *others)

  def log(self, number: int) -> str:
    """Returns the file with what a trial's process said."""
    return os.path.join(self.output, PROCESSES, f'{trial_name(number)}.txt')

  def run(self, on_end: Callable[[], None] = lambda: None) -> None:
    """Works until every trial has come to an end, here or elsewhere.

    Args:
      on_end: Called whenever a trial has.

    Raises:
      ConfigError: if trials fail one after the other.
    """
    try:
      while True:
        for slot, running in enumerate(self._active):
          if running is not None and self._has_ended(running, slot):
            self._active[slot] = None
            on_end()
        for slot in range(self._jobs):
          if self._active[slot] is None:
            self._take(slot)
        if any(self._active):
          time.sleep(_POLL_S)
        elif self._is_done():
          return
        else:
          time.sleep(_WAIT_S)
    finally:
      self._stop()

  def wait(self, process: Any, lease: str) -> int:
    """Returns how a process ends, which is waited for under a lease."""
    while (code := process.exit_code()) is None:
      self.leases.refresh(lease)
      time.sleep(_POLL_S)
    return int(code)

  def _take(self, slot: int) -> None:
    """Begins a trial, if there is one: one whose process died, or else a new one."""
    mine = {running.trial.number for running in self._active if running}
    with self.leases.locked():
      while True:
        number = next(
          (
            one.number
            for one in self._journal.trials()
            if one.state.name == RUNNING
            and one.number not in mine
            and self.leases.is_free(trial_name(one.number))
            # Whoever had it notes its end before it gives it back: it may be done meanwhile.
            and self._journal.trials()[one.number].state.name == RUNNING
          ),
          None,
        )
        if number is not None:
          self.leases.take(trial_name(number))
          trial = self._journal.resume(number)
        elif self._may_ask():
          trial = self._journal.ask()
          self.leases.take(trial_name(trial.number))
        else:
          return
        if not (self._is_refused(trial) or self._is_twin(trial)):
          break
    chosen = self._journal.chosen(trial.params)
    follow = objective.Folds if self._space.base.folds else objective.Epochs
    epochs = follow(self.folder(trial.number), self._space.base.monitor)
    running = self._active[slot] = _Running(trial=trial, chosen=chosen, epochs=epochs)
    again = ' (begun before)' if number is not None else ''
    self._say(f'{running.name}  {search_space.describe(chosen)}{again}')
    self._begin(running, slot)

  def _is_refused(self, trial: Any) -> bool:
    """Ends a trial that the trainer would refuse; returns whether it is such."""
    refusal = self._space.refusal(self._journal.chosen(trial.params))
    if refusal is None:
      return False
    self._end_undone(trial, f'{refusal}', **{journal_lib.REFUSED: True})
    self._say(f'{trial_name(trial.number)}  is refused, and no trial: {refusal}')
    return True

  def _is_twin(self, trial: Any) -> bool:
    """Ends a trial that would be the training of an earlier one; returns whether it is such."""
    number = self._journal.twin(trial)
    if number is None:
      return False
    why = f'the training of {trial_name(number)} again'
    self._end_undone(trial, why, **{journal_lib.SAME: number})
    self._say(f'{trial_name(trial.number)}  is {why}, and not done twice')
    return True

  def _end_undone(self, trial: Any, why: str, **notes: Any) -> None:
    """Ends a trial before it has begun."""
    self._journal.note(trial, why=why, **notes)
    self._journal.tell(trial, FAIL)
    self.leases.release(trial_name(trial.number))

  def _may_ask(self) -> bool:
    """Whether another trial is to be begun."""
    begun = [one for one in self._journal.trials() if one.state.name != 'WAITING']
    return len(begun) < self._journal.num_asked(self._num_trials)

  def _is_done(self) -> bool:
    """Whether nothing runs anywhere; says once that others are waited for."""
    running = [one.number for one in self._journal.trials() if one.state.name == RUNNING]
    if running and not self._is_waiting:
      self._is_waiting = True
      names = errors.some([trial_name(number) for number in running], 4)
      self._say(
        f'waiting for {names}, which another process of this sweep works on; should it be dead, '
        f'its trial is taken after {leases_lib.PATIENCE_S:.0f} s without a sign of life'
      )
    return not running

  def _begin(self, running: _Running, slot: int) -> None:
    """Starts a trial's process, unless its run is finished or pruned already."""
    number = running.trial.number
    if self._is_pruned(running) or objective.is_finished(self.folder(number)):
      return
    arguments = self.arguments(number, running.chosen, '--notest')
    devices = self._devices
    running.process = self.start(
      ['-m', 'trainer', *arguments],
      log=self.log(number),
      environment={'CUDA_VISIBLE_DEVICES': devices[slot % len(devices)]} if devices else {},
    )
    self.leases.note_trainer(running.name, running.process.pid)

  def _has_ended(self, running: _Running, slot: int) -> bool:
    """Looks after a trial; returns whether it has come to an end."""
    if not self.leases.refresh(running.name):
      self._say(f'{running.name}  another process took it, as nothing was heard of this one')
      if running.process is not None:
        running.process.end()
      return True
    code = 0 if running.process is None else running.process.exit_code()
    if not running.pruned_at and self._is_pruned(running) and running.process is not None:
      running.process.ask_to_stop()
    if code is None:
      return False
    return self._conclude(running, slot, code)

  def _is_pruned(self, running: _Running) -> bool:
    """Notes the epochs that are new, up to that at which the trial is to be ended."""
    for step, value in running.epochs.new():
      if not running.pruned_at and self._journal.report(running.trial, step, value):
        running.pruned_at = step
    return bool(running.pruned_at)

  def _conclude(self, running: _Running, slot: int, code: int) -> bool:
    """Notes what came of a trial whose process has ended; False if it is begun again."""
    number = running.trial.number
    finished = objective.is_finished(self.folder(number))
    found = running.epochs.best()
    if not (running.pruned_at or (finished and found)):
      if child.was_stopped(code) or code == 0:
        running.deaths += 1
        if running.deaths < _MOST_DEATHS and not finished:
          self._say(f'{running.name}  its process died, and is begun again')
          self._begin(running, slot)
          return False
      why = child.complaint(self.log(number), code)
      self._end(running, FAIL, why=why)
      self._say(f'{running.name}  failed: {why}')
      self._count_failure(why)
      return True
    self._failures = 0
    if running.pruned_at:
      self._end(running, PRUNED, found=found, why=f'after {self._unit} {running.pruned_at}')
      self._say(f'{running.name}  pruned after {self._unit} {running.pruned_at}')
      return True
    assert found is not None
    self._end(running, COMPLETE, found=found)
    monitor = self._space.base.monitor
    where = f'epoch {found.epoch}' if found.epoch else 'mean over folds'
    self._say(f'{running.name}  {monitor} {standings.measure(monitor, found.value)} ({where})')
    return True

  @property
  def _unit(self) -> str:
    return 'fold' if self._space.base.folds else 'epoch'

  def _end(
    self, running: _Running, state: str, *, found: objective.Found | None = None, **notes: Any
  ) -> None:
    if found is not None:
      notes |= {'epoch': found.epoch, 'rank': list(found.rank), 'train_s': found.train_s}
      notes |= {'interval': list(found.interval)} if found.interval and state == COMPLETE else {}
    self._journal.note(running.trial, **notes)
    value = found.value if found is not None and state == COMPLETE else None
    self._journal.tell(running.trial, state, value)
    self.leases.release(running.name)

  def _count_failure(self, why: str) -> None:
    self._failures += 1
    if self._failures >= _MOST_FAILURES:
      raise errors.ConfigError(
        f'{_MOST_FAILURES} trials failed one after the other, the last with: {why} Mend that; then '
        'the same command with --retry_failed does them again, or name another --output.'
      )

  def _stop(self) -> None:
    """Ends what still runs, with checkpoints; who goes on takes these trials at once."""
    left = [running for running in self._active if running is not None]
    child.stop_all(
      (running.process for running in left if running.process is not None), patience_s=_PATIENCE_S
    )
    for running in left:
      self.leases.release(running.name)
    self._active = [None] * self._jobs


def wait_for(leases: leases_lib.Leases, name: str) -> None:
  """Takes a lease, for which it waits as long as somebody holds it."""
  while True:
    with leases.locked():
      if leases.is_free(name):
        leases.take(name)
        return
    time.sleep(_WAIT_S)
