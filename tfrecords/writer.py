"""Writes a shard file that is there whole or not at all."""

import contextlib
import hashlib
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, Self

from schemas import errors
from tfrecords import storage as storage_lib
from tfrecords.wire import framing


class ShardWriter:
  """One shard in the making, used as `with ShardWriter(path) as shard: shard.write(records)`.

  The file appears when the block ends well. It never seeks, so `storage` may be a bucket.

  Attributes:
    num_records: Records written.
    num_bytes: Bytes written: the size of the file, once it is closed.
  """

  def __init__(
    self,
    path: str,
    storage: storage_lib.Storage = storage_lib.LOCAL,
    *,
    expected_bytes: int = 0,
  ) -> None:
    """Takes the final path; nothing is opened yet.

    Args:
      path: Final path of the shard.
      storage: Where it lies.
      expected_bytes: How large it will be, about, for the error of a full disk; 0: not known.
    """
    self.num_records = 0
    self.num_bytes = 0
    self._path = path
    self._expected_bytes = expected_bytes
    self._file = storage.writing(path)
    self._digest = hashlib.sha256()
    self._stream: BinaryIO | None = None

  @property
  def sha256(self) -> str:
    """Hexadecimal digest of what was written: that of the file, once it is closed."""
    return self._digest.hexdigest()

  def write(self, encoded: Sequence[bytes]) -> None:
    """Appends records, in their order, with one write to the file.

    Raises:
      DatasetError: if the storage refuses, such as a full disk.
    """
    if self._stream is None:
      raise errors.DatasetError(f'The shard {self._path!r} is not open for writing.')
    data = b''.join(piece for record in encoded for piece in framing.frame(record))
    with self._naming_failures(len(data)):
      self._stream.write(data)
    self._digest.update(data)
    self.num_records += len(encoded)
    self.num_bytes += len(data)

  def __enter__(self) -> Self:
    with self._naming_failures():
      self._stream = self._file.__enter__()
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
  ) -> None:
    self._stream = None
    with self._naming_failures():
      self._file.__exit__(kind, error, traceback)

  def _naming_failures(self, next_bytes: int = 0) -> contextlib.AbstractContextManager[None]:
    return storage_lib.naming_failures(
      f'the shard {self._path!r}', path=self._path, need=self._need(next_bytes)
    )

  def _need(self, next_bytes: int) -> str:
    need_bytes = max(self._expected_bytes, self.num_bytes + next_bytes)
    about = 'about' if self._expected_bytes else 'at least'
    return f'it needs {about} {need_bytes:,} bytes, {self.num_bytes:,} are written'
