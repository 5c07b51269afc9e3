"""Says what is waited for, where a disk, a bucket or a web server lets one wait.

Clients ask again by themselves, Google's for two minutes, and say nothing of it: a program would
stand still for no reason that anybody sees. So whoever asks says here that it waits, and after some
seconds one line says for what; no more than one a minute from a process, however many wait.
"""

import contextlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

from schemas import errors

# Until a wait is told, and until another one is.
AFTER_S, AGAIN_S = 5.0, 60.0


def print_note(sentence: str) -> None:
  """Says it on standard error."""
  print(f'note: {sentence}', file=sys.stderr, flush=True)


# Who is told: worker processes put in its place what reaches the user.
listener: Callable[[str], None] = print_note


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
  """Tells of the body if it lasts long: a request, or what is between two of them.

  Args:
    path: What is asked for.
  """
  watch = _watch()
  number = watch.begin(path)
  try:
    yield
  finally:
    watch.end(number)


class _Watch:
  """The waits of a process, and a thread that looks at them while there are any."""

  def __init__(self) -> None:
    self._numbers = itertools.count()
    self._waits: dict[int, tuple[float, str]] = {}  # When each began, and for what.
    self._wakes = threading.Event()
    self._told_s = float('-inf')
    threading.Thread(target=self._look, daemon=True, name='waiting').start()

  def begin(self, path: str) -> int:
    """Returns the number of a wait."""
    number = next(self._numbers)
    self._waits[number] = time.monotonic(), path
    if not self._wakes.is_set():
      self._wakes.set()
    return number

  def end(self, number: int) -> None:
    """Forgets a wait."""
    del self._waits[number]

  def _look(self) -> None:
    while True:
      self._wakes.wait()
      time.sleep(AFTER_S / 5)
      waits = list(self._waits.values())
      if not waits:
        self._wakes.clear()
        # Whoever began before it was cleared thought that it was awake.
        if self._waits:
          self._wakes.set()
        continue
      began_s, path = min(waits)
      now_s = time.monotonic()
      if now_s - began_s >= AFTER_S and now_s - self._told_s >= AGAIN_S:
        self._told_s = now_s
        with contextlib.suppress(Exception):  # What cannot be told must not end the waiting.
          listener(sentence(path, now_s - began_s))


def sentence(path: str, seconds: float) -> str:
  """Returns what is said of a wait."""
  return (
    f'waiting for {errors.shown(path)}: nothing came for {seconds:.0f} s. The place is slow, or '
    'refuses for now (429, 5xx) and is asked again by itself; nothing is to be done.'
  )


_LOCK = threading.Lock()
_watches: dict[int, _Watch] = {}


def _watch() -> _Watch:
  """Returns the watch of this process: one that was forked off has no thread of its parent."""
  process = os.getpid()
  found = _watches.get(process)
  if found is None:
    with _LOCK:
      found = _watches.setdefault(process, _watches.get(process) or _Watch())
  return found
