"""Where a data set is written: the local disk, or a bucket through Beam's filesystems."""

import io
from typing import Any, BinaryIO, cast

from apache_beam.io import filesystems
from apache_beam.io.filesystem import CompressionTypes

from schemas import errors
from tfrecords import storage
from tfrecords.storage import cloud_errors, gcs, object_writer

_BUFFER_BYTES = 1 << 20


class BeamStorage:
  """tfrecords.storage.Storage on gs://, s3:// and whatever else Beam has a filesystem for."""

  def __init__(self) -> None:
    self._uploads: dict[str, gcs.Upload] = {}

  def open_write(self, path: str) -> BinaryIO:
    """Returns a stream to a new object, which appears when it is closed.

    On gs:// nothing is there under a temporary name: what goes there is uploaded to the final name,
    where it appears with `rename` and not before. That spares the copy of every shard.
    """
    final, mark, suffix = path.rpartition(storage.TEMPORARY_MARK)
    if mark and '/' not in suffix and path.startswith(gcs.SCHEME):
      self._uploads[path] = gcs.Upload(final)
      return cast(BinaryIO, self._uploads[path])
    return cast(BinaryIO, _RawWriter(path))

  def open_read(self, path: str) -> BinaryIO:
    """Returns a stream of an object's bytes."""
    return io.BufferedReader(_RawReader(path), _BUFFER_BYTES)

  def rename(self, source: str, target: str) -> None:
    """Moves an object over whatever is at `target`."""
    if upload := self._uploads.pop(source, None):
      upload.finish()
      return
    with cloud_errors.as_os_errors(target):
      if filesystems.FileSystems.exists(target):
        filesystems.FileSystems.delete([target])
      filesystems.FileSystems.rename([source], [target])

  def remove(self, path: str) -> None:
    """Deletes an object."""
    if upload := self._uploads.pop(path, None):
      upload.abort()
      return
    with cloud_errors.as_os_errors(path):
      filesystems.FileSystems.delete([path])

  def exists(self, path: str) -> bool:
    """Whether there is an object, or a folder, at `path`."""
    with cloud_errors.as_os_errors(path):
      return bool(filesystems.FileSystems.exists(path))

  def make_dirs(self, path: str) -> None:
    """Makes a folder, where the filesystem knows folders."""
    with cloud_errors.as_os_errors(path):
      if not filesystems.FileSystems.exists(path):
        filesystems.FileSystems.mkdirs(path)

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""
    pattern = filesystems.FileSystems.join(path, '*')
    with cloud_errors.as_os_errors(path):
      found = filesystems.FileSystems.match([pattern])[0].metadata_list
    return sorted(item.path.rsplit('/', 1)[-1] for item in found)

  def join(self, folder: str, name: str) -> str:
    """Returns the path of `name` in `folder`."""
    return str(filesystems.FileSystems.join(folder, name))


class _RawReader(io.RawIOBase):
  def __init__(self, path: str) -> None:
    self._path = path
    with cloud_errors.as_os_errors(path):
      self._stream: Any = filesystems.FileSystems.open(
        path, compression_type=CompressionTypes.UNCOMPRESSED
      )

  def readable(self) -> bool:
    return True

  def readinto(self, buffer: Any) -> int:
    view = memoryview(buffer)
    with cloud_errors.as_os_errors(self._path):
      data = self._stream.read(len(view))
    view[: len(data)] = data
    return len(data)

  def close(self) -> None:
    if not self.closed:
      self._stream.close()
    super().close()


class _RawWriter(object_writer.ObjectWriter):
  def close(self) -> None:
    if self.closed:
      return
    try:
      with cloud_errors.as_os_errors(self._uri):
        self._stream.close()
    except OSError:
      # Google's stream would try again when it is forgotten: for minutes, at any time.
      self.abort()
      raise
    finally:
      super().close()


def storage_of(path: str) -> storage.Storage:
  """Returns what reads and writes at `path`.

  Raises:
    ConfigError: if Beam has no filesystem for it.
  """
  if '://' not in path:
    return storage.LOCAL
  try:
    filesystems.FileSystems.get_filesystem(path)
  except ValueError as error:
    scheme = path.partition('://')[0]
    raise errors.ConfigError(
      f'{path!r}: nothing installed here reads and writes {scheme}://. For gs:// it needs '
      "pip install 'voxshard[gcp]', for s3:// pip install 'apache-beam[aws]'."
    ) from error
  return BeamStorage()
