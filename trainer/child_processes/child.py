"""A program of this Python as a process: `python -m trainer --run_dir=OUTPUT/trial-0007 ...`."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas import command
from trainer.child_processes import parent_tie
from trainer.runs import run_folder

_LAST_BYTES = 20_000
_POLL_S = 0.05
_KILLED_S = 10.0
_ERROR = 'error: '
_COMMAND = '$ '  # Before it, in the file of what is said.


class Child:
  """A process whose output goes to a file. It ends, with a checkpoint, when we die.

  It does so by parent_tie.end_with_parent, which the programs of the trainer call first of all.
  """

  def __init__(
    self,
    arguments: Sequence[str],
    *,
    log: str,
    environment: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
  ) -> None:
    """Starts it.

    Args:
      arguments: Of this Python.
      log: The file, to which is added: the command, and what it says.
      environment: What it has beside ours.
      inherited: Descriptors that it holds too.

    Raises:
      ConfigError: if the file cannot be written.
    """
    self.log = log
    words = [sys.executable, *arguments]
    with run_folder.writing(log):
      stream = open(log, 'ab')
    with stream:
      with run_folder.writing(log):
        stream.write(f'{_COMMAND}{" ".join(words)}\n'.encode(errors='surrogateescape'))
        stream.flush()
      self._process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=stream,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {}), parent_tie.TIED: '1'},
        pass_fds=tuple(inherited),
        start_new_session=True,  # Ctrl-C is ours to hear.
      )

  @property
  def pid(self) -> int:
    """Its number."""
    return self._process.pid

  def exit_code(self) -> int | None:
    """Returns how it ended, minus the signal if by one; None while it runs."""
    code = self._process.poll()
    if code is not None and self._process.stdin:
      with contextlib.suppress(OSError):
        self._process.stdin.close()
    return code

  def ask_to_stop(self) -> None:
    """Sends SIGTERM: a training stops behind its next steps, with a checkpoint."""
    if self.exit_code() is None:
      self._process.terminate()

  def end(self, *, patience_s: float = 60.0) -> None:
    """Ends it, by force where it does not stop."""
    end(self.pid, lambda: self.exit_code() is not None, patience_s=patience_s)


def stop_all(children: Iterable[Child], *, patience_s: float = math.inf) -> None:
  """Asks all to save their states and stop, and waits for that."""
  known = list(children)
  for child in known:
    child.ask_to_stop()
  for child in known:
    child.end(patience_s=patience_s)


def end(pid: int, is_gone: Callable[[], bool], *, patience_s: float) -> None:
  """Sends SIGTERM and waits, then SIGKILL."""
  for number, limit_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, _KILLED_S)):
    if is_gone():
      return
    try:
      os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
      return
    until_s = time.monotonic() + limit_s
    while not is_gone() and time.monotonic() < until_s:
      time.sleep(_POLL_S)


def was_stopped(code: int) -> bool:
  """Whether a process ended by a signal, or because it heard one."""
  return code < 0 or code in (command.EXIT_INTERRUPTED, command.EXIT_TERMINATED)


def how_it_ended(code: int) -> str:
  """Returns what is said behind `its process`."""
  if code >= 0:
    return f'ended with exit code {code}'
  name = signal.Signals(-code).name
  return f'was ended by {name}' + (', as for want of memory' if name == 'SIGKILL' else '')


def complaint(log: str, code: int) -> str:
  """Returns why a process failed, in its own words where it has some."""
  said = error_of(log)
  if said:
    return said
  if code < 0:
    return f'its process {how_it_ended(code)}; {log} holds what it said'
  last = (_lines(log) or ['it said nothing'])[-1]
  return f'{last} (exit code {code}; {log} holds the rest)'


def error_of(log: str) -> str:
  """Returns the sentence on stderr of a process that found something wrong; '' if it said none."""
  said = [line.removeprefix(_ERROR) for line in _lines(log) if line.startswith(_ERROR)]
  return said[-1] if said else ''


def _lines(path: str) -> list[str]:
  """Returns the last that was said, from the last command on, without that."""
  try:
    with open(path, 'rb') as stream:
      stream.seek(max(0, os.path.getsize(path) - _LAST_BYTES))
      text = stream.read().decode(errors='replace')
  except OSError:
    return []
  text = '\n' + text
  lines = [line.strip() for line in text[max(0, text.rfind(f'\n{_COMMAND}')) :].splitlines()]
  return [line for line in lines if line and not line.startswith(_COMMAND)]
