"""Objects in s3:// (s3fs) and in other buckets that an installed package brings to fsspec.

Whole or not at all holds where an object appears when its stream is closed, as in all buckets.
"""

import contextlib
import functools
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, cast

import fsspec

from tfrecords.storage import cloud_errors, place

_NO_SUCH_RANGE = 416
# What filesystems say of the state of an object, as far as each has it.
_STATE = ('ETag', 'etag', 'generation', 'mtime', 'last_modified', 'size', 'LastModified')
_SETTINGS = {'s3': {'config_kwargs': {'max_pool_connections': place.CONNECTIONS}}}


class FsspecStorage(place.Bucket):
  """A bucket of one scheme; the methods are those of place.Storage."""

  def __init__(self, scheme: str) -> None:
    """Takes such as `s3`.

    Raises:
      ImportError, ValueError: if nothing is installed for it. What fsspec itself brings along
        (memory, other machines, archives) is no bucket: half a file appears there, all is gone with
        the process, or a connection is asked for by the name of a file.
    """
    self._scheme = scheme
    implementation = fsspec.get_filesystem_class(scheme)
    if implementation.__module__.partition('.')[0] == 'fsspec':
      raise ValueError(f'{scheme}:// is no bucket')

  @property
  def _files(self) -> Any:
    return _filesystem(self._scheme)

  @contextlib.contextmanager
  def writing(self, path: str) -> Iterator[BinaryIO]:
    """Gives a stream to an object that appears when its upload ends, and needs no other name."""
    with cloud_errors.as_os_errors(path):
      stream = self._files.open(path, 'wb', block_size=place.WRITE_BYTES)
    try:
      yield cast(BinaryIO, stream)
      with cloud_errors.as_os_errors(path):
        stream.close()
    except BaseException:
      stream.closed = True  # A stream that is forgotten closes itself: half an object would appear.
      with contextlib.suppress(Exception):
        stream.discard()
      raise

  def create(self, path: str, data: bytes) -> None:
    """Writes a small object where there is none; raises FileExistsError where there is one."""
    with cloud_errors.as_os_errors(path):
      self._files.pipe_file(path, data, mode='create')

  def open_read(self, path: str, piece_bytes: int = place.READ_BYTES) -> BinaryIO:
    """Returns a seekable stream of an object's bytes: of a small one after a single request."""
    head_bytes = max(place.HEAD_BYTES, piece_bytes)
    with cloud_errors.as_os_errors(path):
      try:
        head = self._files.cat_file(path, start=0, end=head_bytes)
      except OSError as error:
        if cloud_errors.status_of(error) != _NO_SUCH_RANGE:
          raise
        head = b''  # An empty object has no first byte.
      if len(head) < head_bytes:
        return io.BytesIO(head)
      return io.BufferedReader(self._files.open(path, 'rb', block_size=piece_bytes))

  def remove(self, path: str) -> None:
    """Deletes an object."""
    with cloud_errors.as_os_errors(path):
      self._files.rm_file(path)

  def exists(self, path: str) -> bool:
    """Whether there is an object, or something below, at `path`."""
    with cloud_errors.as_os_errors(path):
      return bool(self._files.exists(path))

  def state(self, path: str) -> str:
    """Returns what the service says of an object that is another with each that takes its name."""
    with cloud_errors.as_os_errors(path):
      return _state_of(self._files.info(path))

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""
    with cloud_errors.as_os_errors(path), contextlib.suppress(FileNotFoundError):
      return sorted(name.rpartition('/')[2] for name in self._files.ls(path, detail=False))
    return []

  def sizes(self, path: str) -> dict[str, int]:
    """Returns the bytes of each object in a folder by its name, from one listing."""
    with cloud_errors.as_os_errors(path), contextlib.suppress(FileNotFoundError):
      found = self._files.ls(path, detail=True)
      return {entry['name'].rpartition('/')[2]: int(entry['size'] or 0) for entry in found}
    return {}

  def walk(self, path: str) -> Iterator[tuple[str, str]]:
    """Yields the names, relative to `path`, and the states of all objects below."""
    start = len(fsspec.core.strip_protocol(path)) + 1
    with cloud_errors.as_os_errors(path):
      found = self._files.find(path, detail=True)
    for name, info in found.items():
      yield name[start:], _state_of(info)


def _state_of(info: Mapping[str, Any]) -> str:
  return ' '.join(str(info[name]) for name in _STATE if info.get(name) is not None)


@functools.cache
def _filesystem(scheme: str) -> Any:
  return fsspec.filesystem(
    scheme, use_listings_cache=False, skip_instance_cache=True, **_SETTINGS.get(scheme, {})
  )
