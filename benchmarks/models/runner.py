"""Does tasks side by side, as long as there is time."""

import concurrent.futures
import contextlib
import json
import multiprocessing
import pathlib
import time
from collections.abc import Iterable
from concurrent.futures import process

from benchmarks.models import tasks
from benchmarks.models.acts import Result
from benchmarks.models.tasks import Plan, Results, Task
from schemas import errors


class Runner:
  """Does tasks side by side until the time is up."""

  def __init__(self, plan: Plan, results: Results, *, budget_s: float) -> None:
    self._plan = plan
    self._results = results
    self._end_s = time.monotonic() + budget_s
    self._pool: concurrent.futures.Executor | None = None
    if plan.jobs:
      self._pool = concurrent.futures.ProcessPoolExecutor(
        plan.jobs,
        mp_context=multiprocessing.get_context('spawn'),
        max_tasks_per_child=12,  # TensorFlow keeps something of every model.
      )

  def close(self) -> None:
    """Ends the processes, also one that is at work: its run goes on at the next call."""
    if self._pool:
      for child in multiprocessing.active_children():
        child.kill()  # SIGTERM would let it save and go on to judge what is half trained.
      self._pool.shutdown(cancel_futures=True)

  def do(self, asked: Iterable[Task | str]) -> None:
    """Does those that have no result yet; what does not fit the time that is left, stays."""
    known = [task for task in asked if isinstance(task, Task)]
    waiting = [task for task in known if self._results.get(task.key) is None]
    waiting.sort(key=lambda task: task.estimate_s)  # The shortest first: the most for the time.
    running: dict[concurrent.futures.Future[Result], Task] = {}
    while waiting or running:
      while waiting and len(running) < max(1, self._plan.jobs):
        task = waiting.pop(0)
        if task.estimate_s > self._end_s - time.monotonic():
          print(f'no time  {tasks.file_name(task.key)}', flush=True)
          continue
        running[self._begin(task)] = task
      done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
      for future in done:
        self._take(running.pop(future), future)

  def _begin(self, task: Task) -> concurrent.futures.Future[Result]:
    if self._pool:
      return self._pool.submit(_in_worker, task, str(self._plan.root))
    future: concurrent.futures.Future[Result] = concurrent.futures.Future()
    try:
      future.set_result(_in_worker(task, str(self._plan.root)))
    except Exception as error:
      future.set_exception(error)
    return future

  def _take(self, task: Task, future: concurrent.futures.Future[Result]) -> None:
    """Keeps what a task found; of one that was refused or failed, why: the others go on.

    Raises:
      ConfigError: if a process is gone, as is one that took too much memory.
    """
    try:
      result = future.result()
    except process.BrokenProcessPool:
      raise errors.ConfigError(
        f'A process was ended at {task.key}, most likely for its memory. Run the same command '
        'again, with --jobs=1 or without this model.'
      ) from None
    except errors.VoxshardError as error:
      result = {'error': str(error)}
    except Exception as error:  # A defect of a model: the table says it, and --jobs=0 where.
      if not self._pool:
        raise
      result = {'error': f'failed: {type(error).__name__}: {error}'.partition('\n')[0]}
    self._results.add(task.key, result)
    left_s = max(0.0, self._end_s - time.monotonic())
    print(
      f'{tasks.minutes(left_s)} left  {tasks.file_name(task.key)}  {json.dumps(result)}', flush=True
    )


def compare(plan: Plan, results: Results, *, budget_s: float) -> None:
  """Does everything that the time allows, what matters most first."""
  runner = Runner(plan, results, budget_s=budget_s)
  try:
    runner.do(tasks.data_sets(plan))
    runner.do(tasks.measurement(plan, model) for model in tasks.all_models(plan))
    runner.do(tasks.demo_runs(plan, results))
    runner.do(tasks.who_runs(plan, results))
    runner.do(tasks.pair_runs(plan, results))
    runner.do(tasks.fold_runs(plan, results))
    runner.do(tasks.takes_runs(plan, results))
    runner.do(tasks.other_demo_runs(plan, results))
  finally:
    runner.close()


def _in_worker(task: Task, root: str) -> Result:
  """Does a task; what it prints goes into a file of its name."""
  log = pathlib.Path(root) / 'logs' / f'{tasks.file_name(task.key)}.txt'
  log.parent.mkdir(exist_ok=True)
  with log.open('w', encoding='utf-8') as file, contextlib.redirect_stdout(file):
    return task.act(root, **task.words)
