"""Which file a worker is decoding: so that, if it dies of it, the launcher can name the file.

A decoder is foreign code, and files are made by strangers. A worker writes the name before it
decodes and blanks it afterwards, two system calls a clip, to a file of its own in the launcher's
scratch folder.
"""

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterator

_PREFIX = 'reading-'
_SLOT_BYTES = 1_024
_DEATH_S = 2.0


class AtWork:
  """The files under the hands of one process; one slot a thread."""

  def __init__(self, folder: str) -> None:
    self._file = -1
    self._free: list[int] = []
    self._num_slots = 0
    if folder:
      with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        self._path = os.path.join(folder, f'{_PREFIX}{os.getpid()}-{uuid.uuid4().hex}')
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
        fcntl.flock(self._file, fcntl.LOCK_EX)

  @contextlib.contextmanager
  def on(self, uri: str) -> Iterator[None]:
    """Names a file for as long as the body runs."""
    if self._file < 0:
      yield
      return
    slot = self._take_slot()
    self._write(slot, uri.encode('utf-8', 'surrogateescape')[-_SLOT_BYTES:])
    try:
      yield
    finally:
      self._write(slot, b'')
      self._free.append(slot)

  def close(self) -> None:
    """Removes the notes."""
    if self._file >= 0:
      os.close(self._file)
      self._file = -1
      with contextlib.suppress(OSError):
        os.remove(self._path)

  def _take_slot(self) -> int:
    with contextlib.suppress(IndexError):
      return self._free.pop()
    self._num_slots += 1
    return self._num_slots - 1

  def _write(self, slot: int, content: bytes) -> None:
    # Neither a full disk nor a folder that is gone must stop the job over this.
    with contextlib.suppress(OSError):
      os.pwrite(self._file, content.ljust(_SLOT_BYTES, b'\0'), slot * _SLOT_BYTES)


def of_dead_workers(folder: str) -> list[str]:
  """Returns the files that processes had under their hands that are no more, sorted.

  Waits a little for one: the other end of a connection may know of a death before it is complete.
  """
  end_s = time.monotonic() + _DEATH_S
  while not (found := _of_dead(folder)) and time.monotonic() < end_s:
    time.sleep(0.05)
  return found


def _of_dead(folder: str) -> list[str]:
  found = set()
  with contextlib.suppress(OSError):
    for name in os.listdir(folder):
      if name.startswith(_PREFIX):
        with open(os.path.join(folder, name), 'rb') as stream, contextlib.suppress(BlockingIOError):
          # Its owner's lock, if that lives.
          fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
          while slot := stream.read(_SLOT_BYTES):
            found.add(slot.rstrip(b'\0').decode('utf-8', 'surrogateescape'))
  return sorted(found - {''})
