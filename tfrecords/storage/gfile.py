"""Reads and writes where TensorFlow does, such as gs://. Imports TensorFlow.

For programs that have TensorFlow anyway: storage.storage_of takes it for a path with a scheme. The
data job uses Beam's filesystems instead.
"""

import contextlib
import errno
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import tensorflow as tf

_BUFFER_BYTES = 1 << 20


class GfileStorage:
  """tfrecords.storage.Storage over tf.io.gfile."""

  def open_write(self, path: str) -> BinaryIO:
    """Returns a stream that writes a new file."""
    return cast(BinaryIO, _RawWriter(path))

  def open_read(self, path: str) -> BinaryIO:
    """Returns a stream of a file's bytes."""
    return io.BufferedReader(_RawReader(path), _BUFFER_BYTES)

  def rename(self, source: str, target: str) -> None:
    """Moves a closed file over whatever is at `target`."""
    with _os_errors(source):
      tf.io.gfile.rename(source, target, overwrite=True)

  def remove(self, path: str) -> None:
    """Deletes a file."""
    with _os_errors(path):
      tf.io.gfile.remove(path)

  def exists(self, path: str) -> bool:
    """Whether there is a file or a folder at `path`."""
    with _os_errors(path):
      return bool(tf.io.gfile.exists(path))

  def make_dirs(self, path: str) -> None:
    """Makes a folder and those above it; nothing happens where it is there."""
    with _os_errors(path):
      tf.io.gfile.makedirs(path)

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""
    with _os_errors(path):
      # A bucket lists a folder with a slash at its end.
      return sorted(name.rstrip('/') for name in tf.io.gfile.listdir(path))

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""
    return str(tf.io.gfile.join(folder, name))


class _RawReader(io.RawIOBase):
  def __init__(self, path: str) -> None:
    self._path = path
    with _os_errors(path):
      self._file: Any = tf.io.gfile.GFile(path, 'rb')
      self._file.size()  # GFile opens on first use; a missing file is to be missed now.

  def readable(self) -> bool:
    return True

  def readinto(self, buffer: Any) -> int:
    view = memoryview(buffer)
    with _os_errors(self._path):
      data = self._file.read(len(view))
    view[: len(data)] = data
    return len(data)

  def close(self) -> None:
    if not self.closed:
      self._file.close()
    super().close()


class _RawWriter(io.RawIOBase):
  def __init__(self, path: str) -> None:
    self._path = path
    self._file: Any = tf.io.gfile.GFile(path, 'wb')

  def writable(self) -> bool:
    return True

  def write(self, data: Any) -> int:
    content = bytes(data)
    with _os_errors(self._path):
      self._file.write(content)
    return len(content)

  def close(self) -> None:
    if not self.closed:
      try:
        with _os_errors(self._path):
          self._file.write(b'')  # Without a write there would be no file.
          self._file.close()
      finally:
        super().close()


@contextlib.contextmanager
def _os_errors(path: str) -> Iterator[None]:
  """Raises TensorFlow's file errors as the OSErrors that a Storage promises."""
  try:
    yield
  except tf.errors.NotFoundError as error:
    raise FileNotFoundError(errno.ENOENT, 'there is no such file', path) from error
  except tf.errors.OpError as error:
    raise OSError(errno.EIO, str(error.message).splitlines()[0], path) from error
