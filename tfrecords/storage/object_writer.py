"""A stream to a new object of a bucket, through Beam's filesystems."""

import contextlib
import io
from typing import Any

from apache_beam.io import filesystems
from apache_beam.io.filesystem import CompressionTypes

from tfrecords.storage import cloud_errors


class ObjectWriter(io.RawIOBase):
  """An object in the making; when it appears is its heirs' matter."""

  def __init__(self, uri: str) -> None:
    """Begins an upload to `uri`, where an object may be that it replaces.

    Raises:
      OSError: if the storage refuses, here and in all that follows.
    """
    self._uri = uri
    with cloud_errors.as_os_errors(uri):
      self._stream: Any = filesystems.FileSystems.create(
        uri, compression_type=CompressionTypes.UNCOMPRESSED
      )

  def writable(self) -> bool:
    """It is there to be written."""
    return True

  def write(self, data: Any) -> int:
    """Adds bytes."""
    content = bytes(data)
    with cloud_errors.as_os_errors(self._uri):
      self._stream.write(content)
    return len(content)

  def abort(self) -> None:
    """Drops what was written, where the storage can."""
    with contextlib.suppress(Exception):  # The service drops what is not finished, after a week.
      self._stream.terminate()
