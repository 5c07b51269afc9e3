"""Shows how far the job is: a live bar on a terminal, else a line now and then."""

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from rich import console as rich_console
from rich import progress as rich_progress

from beam_jobs.processes import side_channel

_REFRESH_S = 0.2
_PLAIN_INTERVAL_S = 10.0


@contextlib.contextmanager
def showing(
  channel: side_channel.SideChannel, stream: TextIO | None = None, *, doing: str = 'featurizing'
) -> Iterator[None]:
  """Shows the counts of a channel while the body runs.

  On a terminal this is a live bar; elsewhere a plain line every ten seconds.
  """
  out = stream or sys.stderr
  stop = threading.Event()
  display = functools.partial(_live, doing=doing) if out.isatty() else _plain
  thread = threading.Thread(target=display, args=(channel, out, stop), daemon=True)
  thread.start()
  try:
    yield
  finally:
    stop.set()
    thread.join()


def plain_line(total: int, done: int, audio_s: float, elapsed_s: float) -> str:
  """Returns such as `1200 / 2000 clips, 400 clips/s, 0.33 h of audio, 2 s left`.

  Where there is no audio, as of pictures, they are files.
  """
  if not total:
    return 'listing the corpus and starting the workers'
  rate = done / elapsed_s if elapsed_s > 0 else 0.0
  left = f'{(total - done) / rate:.0f} s left' if rate else 'time left unknown'
  noun, heard = _noun(done, audio_s), f', {_hours(audio_s)}' if audio_s else ''
  return f'{done} / {total} {noun}, {rate:.0f} {noun}/s{heard}, {left}'


def _noun(done: int, audio_s: float) -> str:
  return 'files' if done and not audio_s else 'clips'


def _hours(audio_s: float) -> str:
  return f'{audio_s / 3600:.2f} h of audio'


class _Clock:
  """Seconds since the first clip: start-up would make the speed look lower than it is."""

  def __init__(self) -> None:
    self._start_s = time.monotonic()  # Where the first look is late there are clips already.

  def elapsed_s(self, done: int) -> float:
    if not done:
      self._start_s = time.monotonic()
    return time.monotonic() - self._start_s


def _plain(channel: side_channel.SideChannel, out: TextIO, stop: threading.Event) -> None:
  clock = _Clock()
  next_line_s = time.monotonic() + _PLAIN_INTERVAL_S
  notice = waits = ''
  running = True
  while running:
    running = not stop.wait(_REFRESH_S)
    if not notice and (notice := channel.announced()):
      print(notice, file=out, flush=True)
    if waits != (waits := channel.waiting()):
      print(f'note: {waits}', file=out, flush=True)
    total, done, audio_s = channel.counts()
    elapsed_s = clock.elapsed_s(done)
    if time.monotonic() >= next_line_s:
      print(plain_line(total, done, audio_s, elapsed_s), file=out, flush=True)
      next_line_s += _PLAIN_INTERVAL_S


def _live(
  channel: side_channel.SideChannel, out: TextIO, stop: threading.Event, *, doing: str
) -> None:
  columns = (
    rich_progress.TextColumn('{task.description}'),
    rich_progress.BarColumn(),
    rich_progress.MofNCompleteColumn(),
    rich_progress.TextColumn('{task.fields[note]}'),
    rich_progress.TimeRemainingColumn(),
  )
  with rich_progress.Progress(*columns, console=rich_console.Console(file=out)) as bar:
    task = bar.add_task('starting', total=None, note='clips')
    clock = _Clock()
    notice = waits = ''
    running = True
    while running:
      running = not stop.wait(_REFRESH_S)
      if not notice and (notice := channel.announced()):
        bar.console.print(notice, highlight=False, markup=False)
      if waits != (waits := channel.waiting()):
        bar.console.print(f'note: {waits}', highlight=False, markup=False)
      total, done, audio_s = channel.counts()
      elapsed_s = clock.elapsed_s(done)
      rate = done / elapsed_s if elapsed_s > 0 and done else 0.0
      noun = _noun(done, audio_s)
      bar.update(
        task,
        total=total or None,
        completed=done,
        description=doing if total else 'starting',
        note='  '.join(filter(None, (noun, f'{rate:.0f} {noun}/s', audio_s and _hours(audio_s)))),
      )
