"""Which file a worker is decoding: so that, if it dies of it, the launcher can name the file.

A decoder is foreign code, and files are made by strangers. A worker writes the name before it
decodes and blanks it afterwards, in a file of its own in the launcher's scratch folder. The file is
mapped: what stands there outlives the process, and a name costs no system call.
"""

import contextlib
import fcntl
import mmap
import os
import time
import uuid

_PREFIX = 'reading-'
_SLOT_BYTES = 1_024
_DEATH_S = 2.0


class AtWork:
  """The files under the hands of one process; one slot a thread."""

  def __init__(self, folder: str, num_slots: int) -> None:
    self._free = list(range(num_slots))
    self._slots: mmap.mmap | None = None
    # Neither a full disk nor a folder that is gone must stop the job over this.
    if folder:
      with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        self._open(os.path.join(folder, f'{_PREFIX}{os.getpid()}-{uuid.uuid4().hex}'), num_slots)

  def _open(self, path: str, num_slots: int) -> None:
    self._path = path
    self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      fcntl.flock(self._file, fcntl.LOCK_EX)
      # All its room now: to write to a mapped page for which the disk has none kills the process.
      os.posix_fallocate(self._file, 0, num_slots * _SLOT_BYTES)
      self._slots = mmap.mmap(self._file, num_slots * _SLOT_BYTES)
    except OSError:
      os.close(self._file)
      raise

  def begin(self, uri: str) -> int:
    """Names a file that is read from now on; returns what `end` takes."""
    slot = self._free.pop()
    self._write(slot, uri.encode('utf-8', 'surrogateescape')[-_SLOT_BYTES:])
    return slot

  def end(self, slot: int) -> None:
    """Takes the name back."""
    self._write(slot, b'')
    self._free.append(slot)

  def close(self) -> None:
    """Removes the notes."""
    if self._slots is not None:
      self._slots.close()
      self._slots = None
      os.close(self._file)
      with contextlib.suppress(OSError):
        os.remove(self._path)

  def _write(self, slot: int, content: bytes) -> None:
    if self._slots is not None:
      at = slot * _SLOT_BYTES
      self._slots[at : at + _SLOT_BYTES] = content.ljust(_SLOT_BYTES, b'\0')


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
