"""Local files, read as one state: what something writes to meanwhile is refused.

Rather no clip than one that is made of two states of its file.
"""

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

from features.decoding import clips

# A file that was changed less than this ago is perhaps not done: its writer may be about to go on.
# File systems stamp a change when it begins, with a clock that stands still for up to 10 ms.
_REST_NS = 200_000_000
_MAX_WAITS = 3


def read_whole(path: str, most_bytes: int) -> bytes | None:
  """Returns the content of a file, or None if it is larger than `most_bytes`.

  Six system calls; a stream, which seeks and buffers, takes twelve and 20 us more.

  Raises:
    clips.ClipError: as `opened` does.
  """
  try:
    # Not blocking: to open a named pipe would wait for ever. Files are as without.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
      before = _at_rest(descriptor)
      if not stat.S_ISREG(before.st_mode):
        raise clips.not_a_file()
      if before.st_size > most_bytes:
        return None
      data = _read(descriptor, before.st_size)
      _check_same(descriptor, before)
      return data
    finally:
      os.close(descriptor)
  except (OSError, ValueError) as error:
    told = clips.told_of_file(error, path)
    if told is None:
      raise
    raise told from error


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
  """Gives a file as a seekable stream.

  Raises:
    clips.ClipError: with the reason, if it cannot be opened or read, or `changed` if it was
      written to meanwhile: whatever was read is to be thrown away.
  """
  with clips.opened_file(path) as stream:
    before = _at_rest(stream.fileno())
    try:
      yield stream
    except clips.ClipError:
      _check_same(stream.fileno(), before)  # This explains the other error.
      raise
    _check_same(stream.fileno(), before)


def _read(descriptor: int, num_bytes: int) -> bytes:
  data = os.read(descriptor, num_bytes)
  # Some file systems give less than was asked for.
  while len(data) < num_bytes and (more := os.read(descriptor, num_bytes - len(data))):
    data += more
  return data


def _at_rest(descriptor: int) -> os.stat_result:
  for _ in range(_MAX_WAITS):
    state = os.fstat(descriptor)
    # Stamps in the future are those of another machine's clock.
    age_ns = time.time_ns() - state.st_mtime_ns
    if not 0 <= age_ns < _REST_NS:
      return state
    time.sleep((_REST_NS - age_ns) / 1e9)
  raise clips.ClipError('changed', 'Wanted a file at rest, got one that is being written to.')


def _check_same(descriptor: int, before: os.stat_result) -> None:
  after = os.fstat(descriptor)
  if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
    raise clips.ClipError(
      'changed',
      f'Wanted a file that stays as it is, got one of {before.st_size} bytes that was written to '
      f'while it was read, and has {after.st_size} bytes now.',
    )
