"""Where files lie. The local disk is here; beam_jobs brings buckets through Beam's filesystems."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from schemas import errors
from tfrecords.storage import write_behind

TEMPORARY_MARK = '.tmp-'


class Storage(Protocol):
  """What this package asks of a place for files. Streams need not seek.

  Failures are OSErrors; a missing file is a FileNotFoundError.
  """

  def open_write(self, path: str) -> BinaryIO:
    """Returns a stream that writes a new file."""

  def open_read(self, path: str) -> BinaryIO:
    """Returns a stream of a file's bytes."""

  def rename(self, source: str, target: str) -> None:
    """Moves a closed file over whatever is at `target`, whole: no reader sees a part of it."""

  def remove(self, path: str) -> None:
    """Deletes a file."""

  def exists(self, path: str) -> bool:
    """Whether there is a file or a folder at `path`."""

  def make_dirs(self, path: str) -> None:
    """Makes a folder and those above it; nothing happens where it is there."""

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""


class LocalStorage:
  """The disk of this machine."""

  def open_write(self, path: str) -> BinaryIO:
    """Returns a stream that writes a new file."""
    return write_behind.open_new(path)

  def open_read(self, path: str) -> BinaryIO:
    """Returns a stream of a file's bytes."""
    return open(path, 'rb')

  def rename(self, source: str, target: str) -> None:
    """Moves a closed file over whatever is at `target`, whole, even if the power fails.

    Without the fsync a file system may store the new name before the data, and a power cut leaves
    an empty file under the final name.
    """
    descriptor = os.open(source, os.O_RDONLY)
    try:
      os.fsync(descriptor)
    finally:
      os.close(descriptor)
    os.replace(source, target)

  def remove(self, path: str) -> None:
    """Deletes a file."""
    os.remove(path)

  def exists(self, path: str) -> bool:
    """Whether there is a file or a folder at `path`."""
    return os.path.exists(path)

  def make_dirs(self, path: str) -> None:
    """Makes a folder and those above it; nothing happens where it is there."""
    os.makedirs(path, exist_ok=True)

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""
    return sorted(os.listdir(path))

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""
    return os.path.join(folder, name)


LOCAL: Storage = LocalStorage()


def storage_of(path: str) -> Storage:
  """Returns what reads and writes at `path`: TensorFlow's filesystems where it has a scheme.

  For the trainer and the programs of this package; the data job has its own, without TensorFlow.
  """
  if '://' not in path:
    return LOCAL
  from tfrecords.storage import gfile

  return gfile.GfileStorage()


def temporary_path(path: str) -> str:
  """Returns a name beside `path` that no other writer has."""
  return f'{path}{TEMPORARY_MARK}{uuid.uuid4().hex}'


def free_bytes(path: str) -> int | None:
  """Returns how much may still be written where `path` lies; None where nobody can tell."""
  with contextlib.suppress(OSError):
    if '://' not in path:
      disk = os.statvfs(os.path.dirname(path) or '.')
      return disk.f_bavail * disk.f_frsize
  return None


def why_not_written(what: str, error: OSError, *, path: str, need: str = '') -> str:
  """Returns the sentences of an error: what could not be written, why, and what to do.

  Args:
    what: Such as `the shard '/data/x'`.
    error: What the storage said.
    path: Where it was to be written.
    need: How much had to be written, as a part of a sentence.
  """
  free = free_bytes(path)
  figures = [need, f'{free:,} bytes are free there' if free is not None else '']
  told = '; '.join(figure for figure in figures if figure)
  return (
    f'Could not write {what}: {error.strerror or error}{f" ({told})" if told else ""}. Is there '
    'room on the disk, and may this user write there? Then run the same command again.'
  )


def write_atomically(path: str, data: bytes, storage: Storage = LOCAL) -> None:
  """Writes a small file that is there whole or not at all.

  Raises:
    OSError: if the storage refuses; nothing is left behind then.
  """
  temporary = temporary_path(path)
  try:
    with storage.open_write(temporary) as stream:
      stream.write(data)
    storage.rename(temporary, path)
  except BaseException:
    with contextlib.suppress(OSError):
      storage.remove(temporary)
    raise


@contextlib.contextmanager
def naming_failures(what: str, *, path: str, need: str = '') -> Iterator[None]:
  """Turns what a storage refuses into the sentences of why_not_written.

  Raises:
    DatasetError: in place of an OSError.
  """
  try:
    yield
  except OSError as error:
    raise errors.DatasetError(why_not_written(what, error, path=path, need=need)) from error


def write_or_refuse(path: str, data: bytes, storage: Storage = LOCAL, *, what: str = '') -> None:
  """Writes a small file, whole or not at all.

  Raises:
    DatasetError: with `what` could not be written (by default the path), why, and what to do.
  """
  with naming_failures(what or repr(path), path=path, need=f'it needs {len(data):,} bytes'):
    write_atomically(path, data, storage)


def remove_if_there(path: str, storage: Storage = LOCAL) -> None:
  """Deletes a file; nothing happens where there is none, or somebody else is quicker."""
  with contextlib.suppress(FileNotFoundError):
    if storage.exists(path):
      storage.remove(path)
