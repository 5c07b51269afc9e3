"""The disk of this machine as a Storage."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from tfrecords.storage import half_written, place, write_behind


def sha256(path: str) -> str:
  """Returns the SHA-256 of a file of this machine, as hexadecimal digits; OSError if unreadable."""
  with open(path, 'rb') as stream:
    return hashlib.file_digest(stream, 'sha256').hexdigest()


def is_device(path: str) -> bool:
  """Whether a path names what is neither a file nor a folder, or a name of the system's in /dev.

  A file that takes its place when it is whole would do away with /dev/null for everybody.
  """
  if os.path.dirname(os.path.abspath(path)) == '/dev':
    return True
  return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


class LocalStorage:
  """The disk of this machine; the methods are those of place.Storage."""

  @contextlib.contextmanager
  def writing(self, path: str) -> Iterator[BinaryIO]:
    """Gives a stream to a file that is there whole, even if the power fails, or not at all.

    It grows under a name of its own. Without the fsync a file system may store the new name before
    the data, and a power cut leaves an empty file under the final name.
    """
    if is_device(path):
      raise OSError(errno.EPERM, 'A device or a pipe has this name, and would be replaced', path)
    with half_written.file(path) as temporary:
      stream = write_behind.open_new(temporary)
      try:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
        stream.close()
        os.replace(temporary, path)
      except BaseException:
        # The first failure is the one to report.
        with contextlib.suppress(OSError):
          stream.close()
        raise

  def create(self, path: str, data: bytes) -> None:
    """Writes a small file where there is none; raises FileExistsError where there is one."""
    with open(path, 'xb') as stream:
      stream.write(data)

  def open_read(self, path: str, piece_bytes: int = place.READ_BYTES) -> BinaryIO:
    """Returns a seekable stream of a file's bytes."""
    return open(path, 'rb')

  def remove(self, path: str) -> None:
    """Deletes a file."""
    os.remove(path)

  def exists(self, path: str) -> bool:
    """Whether there is a file or a folder at `path`."""
    return os.path.exists(path)

  def state(self, path: str) -> str:
    """Returns the size and the time of the last change."""
    stat = os.stat(path)
    return f'{stat.st_size} {stat.st_mtime_ns}'

  def make_dirs(self, path: str) -> None:
    """Makes a folder and those above it; nothing happens where it is there."""
    os.makedirs(path, exist_ok=True)

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""
    return sorted(os.listdir(path))

  def sizes(self, path: str) -> dict[str, int]:
    """Returns the bytes of each file in a folder by its name."""
    with os.scandir(path) as entries:
      return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""
    return os.path.join(folder, name)
