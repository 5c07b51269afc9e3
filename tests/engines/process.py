"""A program in the background: a process group of its own, its log in a file, its end certain."""

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

_LOG_TAIL_CHARS = 3_000
_END_TIMEOUT_S = 10.0


class Process:
  """A running program.

  Attributes:
    name: What it is called in messages.
    log_path: Where its output goes.
  """

  def __init__(
    self,
    name: str,
    command: Sequence[str],
    *,
    log_path: pathlib.Path,
    environment: Mapping[str, str] | None = None,
    folder: pathlib.Path | None = None,
  ) -> None:
    """Starts it.

    Args:
      name: What it is called in messages.
      command: Program and arguments.
      log_path: Where its output goes.
      environment: Set beside what this process has.
      folder: Where it runs.
    """
    self.name = name
    self.log_path = log_path
    with log_path.open('wb') as log:
      self._process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        cwd=folder,
        start_new_session=True,
      )

  @property
  def is_running(self) -> bool:
    """Whether it has not ended."""
    return self._process.poll() is None

  def wait(self, timeout_s: float) -> int | None:
    """Returns its exit code; None if it still runs after so many seconds."""
    try:
      return self._process.wait(timeout_s)
    except subprocess.TimeoutExpired:
      return None

  def kill(self) -> None:
    """Ends the program alone, at once, as a machine that fails would; its children live on."""
    self._process.kill()
    self._process.wait()

  def interrupt(self) -> None:
    """Does what Ctrl-C in a terminal does: the program and its children are told."""
    self._signal(signal.SIGINT)

  def stop(self) -> None:
    """Ends it and all that it started: politely, then not."""
    self._signal(signal.SIGTERM)
    deadline_s = time.monotonic() + _END_TIMEOUT_S
    while self._has_members() and time.monotonic() < deadline_s:
      self._process.poll()
      time.sleep(0.05)
    self._signal(signal.SIGKILL)
    self._process.wait()

  def log(self) -> str:
    """Returns all that it printed."""
    return self.log_path.read_text(encoding='utf-8', errors='replace')

  def log_tail(self) -> str:
    """Returns the end of its log under a headline, for messages."""
    return f'--- {self.name}, {self.log_path}:\n{self.log()[-_LOG_TAIL_CHARS:]}'

  def _signal(self, number: int) -> None:
    try:
      os.killpg(self._process.pid, number)
    except ProcessLookupError:
      pass

  def _has_members(self) -> bool:
    try:
      os.killpg(self._process.pid, 0)
    except ProcessLookupError:
      return False
    return True
