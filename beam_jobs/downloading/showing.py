"""Shows how far a download is: a live bar on a terminal, else a line now and then."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich import console as rich_console
from rich import progress as rich_progress

_PLAIN_INTERVAL_S = 10.0

Report = Callable[[str, int, int], None]


@contextlib.contextmanager
def showing(stream: TextIO | None = None) -> Iterator[Report]:
  """Gives what is called with what is done, how many bytes of it, and of how many (0: unknown)."""
  out = stream or sys.stderr
  if not out.isatty():
    yield _Lines(out)
    return
  columns = (
    rich_progress.TextColumn('{task.description}'),
    rich_progress.BarColumn(),
    rich_progress.DownloadColumn(),
    rich_progress.TransferSpeedColumn(),
    rich_progress.TimeRemainingColumn(),
  )
  with rich_progress.Progress(*columns, console=rich_console.Console(file=out)) as bar:
    tasks: dict[str, rich_progress.TaskID] = {}

    def report(what: str, done: int, total: int) -> None:
      if what not in tasks:
        tasks[what] = bar.add_task(what, total=total or None)
      bar.update(tasks[what], completed=done, total=total or None)

    yield report


class _Lines:
  """A plain line every ten seconds."""

  def __init__(self, out: TextIO) -> None:
    self._out = out
    self._next_s = time.monotonic() + _PLAIN_INTERVAL_S

  def __call__(self, what: str, done: int, total: int) -> None:
    if time.monotonic() >= self._next_s:
      print(plain_line(what, done, total), file=self._out, flush=True)
      self._next_s = time.monotonic() + _PLAIN_INTERVAL_S


def plain_line(what: str, done: int, total: int) -> str:
  """Returns such as `downloading: 12.3 of 45.6 MB`."""
  of = f' of {total / 1e6:,.1f}' if total else ''
  return f'{what}: {done / 1e6:,.1f}{of} MB'
