"""One trial as a process: `python -m trainer --run_dir=OUTPUT/trial-0007 --notest ...`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from schemas import command
from trainer.runs import run_folder

_PR_SET_PDEATHSIG = 1  # Linux, prctl(2).
_LAST_BYTES = 20_000


class TrialProcess:
  """A process whose output goes to a file. It ends, with a checkpoint, when we die."""

  def __init__(
    self, module: str, arguments: Sequence[str], *, log: str, environment: Mapping[str, str]
  ) -> None:
    """Starts it.

    Args:
      module: Which program.
      arguments: Its flags.
      log: The file, to which is added.
      environment: What it has beside ours.
    """
    self.log = log
    self.words = [sys.executable, '-m', module, *arguments]
    with run_folder.writing(log):
      stream = open(log, 'ab')
    with stream:
      stream.write(f'$ {" ".join(self.words)}\n'.encode())
      stream.flush()
      self._process = subprocess.Popen(
        self.words,
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        start_new_session=True,  # Ctrl-C is ours to hear.
        preexec_fn=_follower(os.getpid()),
      )

  @property
  def pid(self) -> int:
    """Its number."""
    return self._process.pid

  def exit_code(self) -> int | None:
    """Returns how it ended, minus the signal if by one; None while it runs."""
    return self._process.poll()

  def ask_to_stop(self) -> None:
    """Sends SIGTERM: a training stops behind its next steps, with a checkpoint."""
    if self._process.poll() is None:
      self._process.terminate()

  def end(self, *, patience_s: float = 60.0) -> None:
    """Ends it, by force where it does not stop."""
    end(self.pid, lambda: self._process.poll() is not None, patience_s=patience_s)


def end(pid: int, is_gone: Callable[[], bool], *, patience_s: float) -> None:
  """Sends SIGTERM and waits, then SIGKILL."""
  for number, limit_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 10.0)):
    if is_gone():
      return
    try:
      os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
      return
    until_s = time.monotonic() + limit_s
    while not is_gone() and time.monotonic() < until_s:
      time.sleep(0.05)


def complaint(log: str, code: int) -> str:
  """Returns why a process failed, in its own words where it has some."""
  lines = [line.strip() for line in _tail(log).splitlines() if line.strip()]
  said = [line.removeprefix('error: ') for line in lines if line.startswith('error: ')]
  if said:
    return said[-1]
  if code < 0:
    name = signal.Signals(-code).name
    memory = ', as for want of memory' if name == 'SIGKILL' else ''
    return f'its process was ended by {name}{memory}; {log} holds what it said'
  last = lines[-1] if lines and not lines[-1].startswith('$ ') else 'it said nothing'
  return f'{last} (exit code {code}; {log} holds the rest)'


def was_stopped(code: int) -> bool:
  """Whether a process ended by a signal, or because it heard one."""
  return code < 0 or code in (command.EXIT_INTERRUPTED, command.EXIT_TERMINATED)


def _tail(path: str) -> str:
  """Returns the end of a file, from the last command in it on."""
  try:
    with open(path, 'rb') as stream:
      stream.seek(max(0, os.path.getsize(path) - _LAST_BYTES))
      text = stream.read().decode(errors='replace')
  except OSError:
    return ''
  return text[max(0, text.rfind('\n$ ')) :]


def _follower(parent: int) -> Callable[[], None]:
  """Returns what makes a new process end when ours does, whatever ends ours; on Linux."""
  prctl = getattr(ctypes.CDLL(None), 'prctl', None) if sys.platform == 'linux' else None

  def follow() -> None:
    if prctl is not None:
      prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
      if os.getppid() != parent:
        os._exit(command.EXIT_TERMINATED)

  return follow
