"""A worker's page: how far it is, and which files it is decoding, so that a death can be explained.

A decoder is foreign code, and files are made by strangers. A worker writes a file's name before it
decodes and blanks it afterwards. Its page is a mapped file: what stands there outlives the process,
and neither a count nor a name costs a system call.
"""

import atexit
import contextlib
import fcntl
import mmap
import os
import struct
import time
import uuid
from collections.abc import Iterator

from schemas import errors

_PREFIX = 'worker-'
_COUNTS = struct.Struct('<qd')  # Clips, seconds of audio.
# The counts stand in the first slot, names in the others: one for every thread that decodes.
# Behind the counts it stands whether the process has ended as it should.
_IS_ENDED_AT = _COUNTS.size
_SLOT_BYTES = 1_024
_NAME_BYTES = _SLOT_BYTES - 1
# Threads that decode at a time, at most.
MAX_THREADS = 16
_DEATH_S = 2.0


class WorkerPage:
  """The page of one process; without a folder nothing is written."""

  def __init__(self, folder: str = '') -> None:
    """Makes the page in the folder. Neither a full disk nor a missing folder is an error."""
    self._free = list(range(1, 1 + MAX_THREADS))
    self._num_clips, self._audio_s = 0, 0.0
    self._page: mmap.mmap | None = None
    # The job must not stop over this.
    if folder:
      with contextlib.suppress(OSError):
        self._open(os.path.join(folder, f'{_PREFIX}{uuid.uuid4().hex}'))

  def _open(self, path: str) -> None:
    self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      fcntl.flock(self._file, fcntl.LOCK_EX)
      num_bytes = (1 + MAX_THREADS) * _SLOT_BYTES
      # All its room now: to write to a mapped page for which the disk has none kills the process.
      os.posix_fallocate(self._file, 0, num_bytes)
      self._page = mmap.mmap(self._file, num_bytes)
    except OSError:
      os.close(self._file)
      raise
    atexit.register(self._end)

  def advance(self, num_clips: int, audio_s: float) -> None:
    """Adds to the count."""
    self._num_clips += num_clips
    self._audio_s += audio_s
    if self._page is not None:
      _COUNTS.pack_into(self._page, 0, self._num_clips, self._audio_s)

  @contextlib.contextmanager
  def decoding(self, uri: str) -> Iterator[None]:
    """Names a file that is read while the body runs. For up to MAX_THREADS at a time."""
    slot = self._free.pop()
    self._name(slot, errors.shown(uri).encode('utf-8', 'surrogateescape')[-_NAME_BYTES:])
    try:
      yield
    finally:
      self._name(slot, b'')
      self._free.append(slot)

  def close(self) -> None:
    """Ends the page; its counts stay."""
    if self._page is not None:
      self._end()
      atexit.unregister(self._end)
      self._page.close()
      self._page = None
      os.close(self._file)

  def _end(self) -> None:
    """Says that it is not a file that a thread still decodes of which this process ends.

    When one worker has died, the runner ends the others and does not wait for what they are at.
    """
    if self._page is not None:
      self._page[_IS_ENDED_AT] = 1

  def _name(self, slot: int, name: bytes) -> None:
    if self._page is not None:
      at = slot * _SLOT_BYTES
      # What stands behind the zero is of longer names before.
      self._page[at : at + len(name) + 1] = name + b'\0'


def counts(folder: str) -> tuple[int, float]:
  """Returns what all workers together have done: clips, seconds of audio."""
  done, audio_s = 0, 0.0
  for page in _pages(folder):
    with contextlib.suppress(OSError), open(page, 'rb') as stream:
      data = stream.read(_COUNTS.size)
      if len(data) == _COUNTS.size:
        worker_clips, worker_audio_s = _COUNTS.unpack(data)
        done += worker_clips
        audio_s += worker_audio_s
  return done, audio_s


def of_dead_workers(folder: str) -> list[str]:
  """Returns the files that processes had under their hands that died at them, sorted.

  Waits a little for one: the other end of a connection may know of a death before it is complete.
  """
  end_s = time.monotonic() + _DEATH_S
  while not (found := _of_dead(folder)) and time.monotonic() < end_s:
    time.sleep(0.05)
  return found


def _of_dead(folder: str) -> list[str]:
  found = set()
  for page in _pages(folder):
    # Its owner holds a lock on it, if that lives.
    with contextlib.suppress(OSError), open(page, 'rb') as stream:
      fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
      if stream.read(_SLOT_BYTES)[_IS_ENDED_AT : _IS_ENDED_AT + 1] == b'\1':
        continue
      while slot := stream.read(_SLOT_BYTES):
        found.add(slot.partition(b'\0')[0].decode('utf-8', 'surrogateescape'))
  return sorted(found - {''})


def _pages(folder: str) -> list[str]:
  try:
    return [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(_PREFIX)]
  except OSError:
    return []
