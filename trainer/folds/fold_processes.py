"""One process for each fold, one after the other or side by side, in a folder of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from schemas import command, errors
from trainer.child_processes import child, gpu_places
from trainer.runs import run_folder

_POLL_S = 0.2
# So long processes of a launcher that was killed may take to save their states.
_LOCK_WAIT_S = 60.0


@contextlib.contextmanager
def locked(path: str) -> Iterator[int]:
  """Holds the lock of a folder; yields what a process inherits so that it holds it too.

  Raises:
    ConfigError: if somebody else trains in the folder.
  """
  with run_folder.writing(path):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
  try:
    ends_s = time.monotonic() + _LOCK_WAIT_S
    is_said = False
    while not _try_lock(descriptor):
      if not is_said:
        print('waits    another process trains in the folder', flush=True)
        is_said = True
      if time.monotonic() > ends_s:
        raise errors.ConfigError(
          f'Another process trains in {os.path.dirname(path)!r} (it holds {path!r}). Wait for it, '
          'or end it; then run the same command again.'
        )
      time.sleep(_POLL_S)
    yield descriptor
  finally:
    os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    return False
  return True


def run_all(
  commands: Mapping[int, Sequence[str]],
  *,
  log_of: Callable[[int], str],
  where: gpu_places.Places,
  lock: int,
  on_start: Callable[[int], None],
  on_end: Callable[[int], None],
) -> None:
  """Runs the process of each fold in their order, and returns when all have ended well.

  Args:
    commands: By fold, the arguments of this Python.
    log_of: The file to which each writes what it says.
    where: Where they run.
    lock: A descriptor that they inherit.
    on_start: Called for each that starts.
    on_end: Called for each that ended well.

  Raises:
    ConfigError: if one failed; the others were asked to save their states and stop.
    KeyboardInterrupt: if this process is asked to stop; they save their states before.
  """
  waiting = list(commands)
  running: dict[int, tuple[child.Child, str]] = {}
  free = list(where.gpus)
  try:
    while waiting or running:
      while waiting and free:
        number = waiting.pop(0)
        gpu = free.pop(0)
        one = child.Child(
          commands[number],
          log=log_of(number),
          environment=where.environment(gpu),
          inherited=(lock,),
        )
        running[number] = one, gpu
        on_start(number)
      time.sleep(_POLL_S)
      for number, (one, gpu) in list(running.items()):
        code = one.exit_code()
        if code is None:
          continue
        del running[number]
        if code != command.EXIT_OK:
          raise _failed(number, code, log_of(number))
        free.append(gpu)
        on_end(number)
  finally:
    child.stop_all(one for one, _ in running.values())


def _failed(number: int, code: int, log_file: str) -> errors.ConfigError:
  """Returns what is said of a fold whose process ended badly."""
  said = child.error_of(log_file)
  if said:
    return errors.ConfigError(f'Fold {number}: {said} (All that it said is in {log_file!r}.)')
  return errors.ConfigError(
    f'The process of fold {number} {child.how_it_ended(code)}; what it said is in {log_file!r}. '
    f'Folds that are finished are kept: {command.AGAIN} to go on.'
  )
