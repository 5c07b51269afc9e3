"""What a place for files is asked for, and what all buckets have in common."""

from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

# Of an object in a bucket, at least so much is fetched at a time by who reads all of it.
READ_BYTES = 16 << 20
# Smaller objects are fetched by one request, without their size: 16 s of 16-bit audio at 16 kHz.
HEAD_BYTES = 512 << 10
# So much of a new object is sent at a time.
WRITE_BYTES = 16 << 20
# Connections that are kept open, more than the threads of a worker process.
CONNECTIONS = 64


class Storage(Protocol):
  """A place for files; it can be pickled.

  Failures are OSErrors: a missing file is a FileNotFoundError, a missing right a PermissionError,
  any other request that a service will never grant has the number EINVAL; what may pass has one of
  passing_faults.PASSING.
  """

  def writing(self, path: str) -> AbstractContextManager[BinaryIO]:
    """Gives a stream, which need not seek, to a file that appears when the block ends well.

    It replaces whatever is at `path`, whole: no reader sees a part of it. After an exception, or
    where the process ends, nothing appears.
    """

  def create(self, path: str, data: bytes) -> None:
    """Writes a small file where there is none; raises FileExistsError where there is one."""

  def open_read(self, path: str, piece_bytes: int = READ_BYTES) -> BinaryIO:
    """Returns a seekable stream of a file's bytes, as they are stored.

    Args:
      path: The file.
      piece_bytes: Of an object in a bucket, at least so much is fetched at a time.
    """

  def remove(self, path: str) -> None:
    """Deletes a file."""

  def exists(self, path: str) -> bool:
    """Whether there is a file or a folder at `path`."""

  def state(self, path: str) -> str:
    """Returns a text that is another one when the file has been replaced."""

  def make_dirs(self, path: str) -> None:
    """Makes a folder and those above it; nothing happens where it is there."""

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""

  def sizes(self, path: str) -> dict[str, int]:
    """Returns the bytes of each file in a folder by its name, from one listing."""

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""


class Bucket:
  """What buckets have in common: names with slashes, and no folders."""

  def make_dirs(self, path: str) -> None:
    """Does nothing: a folder is there as soon as something is in it."""

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""
    return f'{folder.rstrip("/")}/{name}'
