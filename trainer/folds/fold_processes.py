"""One process for each fold, one after the other or side by side, and how they end together."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import glob
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from schemas import command, errors
from trainer.runs import run_folder

# Set for a process of a fold: it ends when what it reads from ends, which is with who started it.
_TIED = 'VOXSHARD_ENDS_WITH_ITS_INPUT'
_VISIBLE = 'CUDA_VISIBLE_DEVICES'
# Else TensorFlow takes all memory of a GPU for the first process on it.
_GROWS = 'TF_FORCE_GPU_ALLOW_GROWTH'
_GPU_FILES = '/dev/nvidia[0-9]*'
_POLL_S = 0.2
# So long processes of a launcher that was killed may take to save their states.
_LOCK_WAIT_S = 60.0
_ERROR = 'error: '


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
  """Where folds are trained at the same time.

  Attributes:
    gpus: For each place the GPU, as CUDA_VISIBLE_DEVICES names it; '' for what there is.
  """

  gpus: tuple[str, ...] = ('',)

  def environment(self, gpu: str) -> dict[str, str]:
    """Returns what the process on a GPU is given to know of it."""
    if not gpu:
      return {}
    shared = {_GROWS: 'true'} if self.gpus.count(gpu) > 1 else {}
    return {_VISIBLE: gpu, **shared}


def places(*, parallel: int, takes_all_devices: bool, uses_gpus: bool = True) -> Places:
  """Returns where folds are trained: on each GPU one, else one after the other.

  Args:
    parallel: How many at a time; 0: as many as there are GPUs.
    takes_all_devices: Whether each run is spread over all of them.
    uses_gpus: Whether it can use them at all.
  """
  if takes_all_devices:
    return Places()
  gpus = _gpus() if uses_gpus else []
  count = parallel or max(1, len(gpus))
  return Places(gpus=tuple(gpus[i % len(gpus)] if gpus else '' for i in range(count)))


def _gpus() -> list[str]:
  """Returns the GPUs of this machine by what CUDA calls them; without asking TensorFlow."""
  named = os.environ.get(_VISIBLE)
  if named is not None:
    return [name.strip() for name in named.split(',') if name.strip() not in ('', '-1')]
  return [str(i) for i in range(len(glob.glob(_GPU_FILES)))]


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


def end_with_parent() -> None:
  """Lets this process end, as by SIGTERM, when who started it as that of a fold is gone."""
  if os.environ.pop(_TIED, ''):
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
  # Not by Python's own stream, whose lock would be held when the process ends by itself.
  with contextlib.suppress(OSError):
    while os.read(0, 1):
      pass
  os.kill(os.getpid(), signal.SIGTERM)


@dataclasses.dataclass
class _Running:
  process: subprocess.Popen[bytes]
  log: IO[bytes]
  gpu: str


def run_all(
  commands: Mapping[int, Sequence[str]],
  *,
  log_of: Callable[[int], str],
  where: Places,
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
  running: dict[int, _Running] = {}
  free = list(where.gpus)
  try:
    while waiting or running:
      while waiting and free:
        number = waiting.pop(0)
        gpu = free.pop(0)
        running[number] = _start(
          commands[number], log_of(number), environment=where.environment(gpu), gpu=gpu, lock=lock
        )
        on_start(number)
      time.sleep(_POLL_S)
      for number, one in list(running.items()):
        code = one.process.poll()
        if code is None:
          continue
        del running[number]
        _close(one)
        if code != command.EXIT_OK:
          raise _failed(number, code, log_of(number))
        free.append(one.gpu)
        on_end(number)
  finally:
    _stop(running)


def _start(
  arguments: Sequence[str],
  log_file: str,
  *,
  environment: Mapping[str, str],
  gpu: str,
  lock: int,
) -> _Running:
  with run_folder.writing(log_file):
    log = open(log_file, 'ab')  # noqa: SIM115 - as long as the process.
  process = subprocess.Popen(
    [sys.executable, *arguments],
    env={**os.environ, _TIED: '1', **environment},
    stdin=subprocess.PIPE,
    stdout=log,
    stderr=subprocess.STDOUT,
    pass_fds=(lock,),
    # Ctrl-C reaches this process alone, which asks the others.
    start_new_session=True,
  )
  return _Running(process=process, log=log, gpu=gpu)


def _stop(running: Mapping[int, _Running]) -> None:
  """Asks processes to save their states, and waits for that."""
  for one in running.values():
    with contextlib.suppress(OSError):
      one.process.terminate()
  for one in running.values():
    one.process.wait()
    _close(one)


def _close(one: _Running) -> None:
  if one.process.stdin:
    with contextlib.suppress(OSError):
      one.process.stdin.close()
  one.log.close()


def _failed(number: int, code: int, log_file: str) -> errors.ConfigError:
  """Returns what is said of a fold whose process ended badly."""
  said = _last_error(log_file)
  if said:
    return errors.ConfigError(f'Fold {number}: {said} (All that it said is in {log_file!r}.)')
  why = f'was ended by signal {-code}' if code < 0 else f'ended with exit code {code}'
  if code == -signal.SIGKILL:
    why += ', as the system does where memory does not suffice'
  return errors.ConfigError(
    f'The process of fold {number} {why}; what it said is in {log_file!r}. Folds that are finished '
    f'are kept: {command.AGAIN} to go on.'
  )


def _last_error(log_file: str) -> str:
  with contextlib.suppress(OSError), open(log_file, encoding='utf-8', errors='replace') as stream:
    lines = [line.strip() for line in stream]
    last = next((line for line in reversed(lines) if line), '')
    return last.removeprefix(_ERROR) if last.startswith(_ERROR) else ''
  return ''
