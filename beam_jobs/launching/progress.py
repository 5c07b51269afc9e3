"""How far the job is: workers count on a shared disk, the launcher adds up and shows.

A worker owns one file of 16 bytes and rewrites it in place, so that counting costs one system call
a batch and nothing has to be locked or sent.
"""

import contextlib
import os
import shutil
import struct
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TextIO

from rich import console as rich_console
from rich import progress as rich_progress

_COUNTS = struct.Struct('<qd')  # Clips, seconds of audio.
_TOTAL = 'total'
_REFRESH_S = 0.2
_PLAIN_INTERVAL_S = 10.0


class Meter:
  """One worker's counter."""

  def __init__(self, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    self._path = os.path.join(folder, f'worker-{uuid.uuid4().hex}')
    self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
    self._num_clips = 0
    self._audio_s = 0.0

  def advance(self, num_clips: int, audio_s: float) -> None:
    """Adds to the count; a full disk must not stop the job over its progress bar."""
    self._num_clips += num_clips
    self._audio_s += audio_s
    with contextlib.suppress(OSError):
      os.pwrite(self._file, _COUNTS.pack(self._num_clips, self._audio_s), 0)

  def close(self) -> None:
    """Closes the file; its count stays."""
    os.close(self._file)


def set_total(folder: str, num_clips: int) -> None:
  """Says how many clips there are in all, once the corpus is listed."""
  with contextlib.suppress(OSError):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, _TOTAL), 'w', encoding='ascii') as stream:
      stream.write(str(num_clips))


def counts(folder: str) -> tuple[int, int, float]:
  """Returns (all clips or 0 while unknown, clips done, seconds of audio done)."""
  total, done, audio_s = 0, 0, 0.0
  with contextlib.suppress(OSError, ValueError):
    with open(os.path.join(folder, _TOTAL), encoding='ascii') as stream:
      total = int(stream.read() or 0)
  with contextlib.suppress(OSError):
    for name in sorted(os.listdir(folder)):
      if name.startswith('worker-'):
        with open(os.path.join(folder, name), 'rb') as stream:
          data = stream.read(_COUNTS.size)
        if len(data) == _COUNTS.size:
          worker_clips, worker_audio_s = _COUNTS.unpack(data)
          done += worker_clips
          audio_s += worker_audio_s
  return total, done, audio_s


@contextlib.contextmanager
def showing(folder: str, stream: TextIO | None = None) -> Iterator[None]:
  """Shows the counts of `folder` while the body runs, and removes the folder at the end.

  On a terminal this is a live bar; elsewhere a plain line every ten seconds.
  """
  shutil.rmtree(folder, ignore_errors=True)
  out = stream or sys.stderr
  stop = threading.Event()
  display = _live if out.isatty() else _plain
  thread = threading.Thread(target=display, args=(folder, out, stop), daemon=True)
  thread.start()
  try:
    yield
  finally:
    stop.set()
    thread.join()
    shutil.rmtree(folder, ignore_errors=True)


def plain_line(total: int, done: int, audio_s: float, elapsed_s: float) -> str:
  """Returns such as `1200 / 2000 clips, 400 clips/s, 0.33 h of audio, 2 s left`."""
  if not total:
    return 'listing the corpus and starting the workers'
  rate = done / elapsed_s if elapsed_s > 0 else 0.0
  left = f'{(total - done) / rate:.0f} s left' if rate else 'time left unknown'
  return f'{done} / {total} clips, {rate:.0f} clips/s, {audio_s / 3600:.2f} h of audio, {left}'


class _Clock:
  """Seconds since the first clip: start-up would make the speed look lower than it is."""

  def __init__(self) -> None:
    self._start_s = 0.0

  def elapsed_s(self, done: int) -> float:
    if not done:
      self._start_s = time.monotonic()
    return time.monotonic() - self._start_s


def _plain(folder: str, out: TextIO, stop: threading.Event) -> None:
  clock = _Clock()
  next_line_s = time.monotonic() + _PLAIN_INTERVAL_S
  while not stop.wait(_REFRESH_S):
    total, done, audio_s = counts(folder)
    elapsed_s = clock.elapsed_s(done)
    if time.monotonic() >= next_line_s:
      print(plain_line(total, done, audio_s, elapsed_s), file=out, flush=True)
      next_line_s += _PLAIN_INTERVAL_S


def _live(folder: str, out: TextIO, stop: threading.Event) -> None:
  columns = (
    rich_progress.TextColumn('{task.description}'),
    rich_progress.BarColumn(),
    rich_progress.MofNCompleteColumn(),
    rich_progress.TextColumn('clips  {task.fields[note]}'),
    rich_progress.TimeRemainingColumn(),
  )
  with rich_progress.Progress(*columns, console=rich_console.Console(file=out)) as bar:
    task = bar.add_task('starting', total=None, note='')
    clock = _Clock()
    running = True
    while running:
      running = not stop.wait(_REFRESH_S)
      total, done, audio_s = counts(folder)
      elapsed_s = clock.elapsed_s(done)
      rate = done / elapsed_s if elapsed_s > 0 and done else 0.0
      bar.update(
        task,
        total=total or None,
        completed=done,
        description='featurizing' if total else 'starting',
        note=f'{rate:.0f} clips/s  {audio_s / 3600:.2f} h of audio',
      )
