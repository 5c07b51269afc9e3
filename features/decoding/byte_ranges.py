"""A seekable file that is sliced like bytes, so that headers are read from either."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

from features.decoding import deadline
from schemas.rejects import ClipError

# What FFmpeg adds to the places to seek from: it asks for the size.
_SEEK_SIZE = 0x10000


class ByteRanges:
  """The content of a seekable binary file, of which a slice reads what it asks for and no more."""

  def __init__(self, stream: BinaryIO, patch: tuple[int, bytes] = (0, b'')) -> None:
    """Takes a file that stays open for as long as this is used.

    Args:
      stream: The file; it may stand anywhere.
      patch: (position, content): what is seen there instead of what the file holds.

    Raises:
      ClipError: reason unreadable.
    """
    self._stream = stream
    self._patch_at, self._patch = patch
    try:
      stream.seek(0, os.SEEK_END)
      self._num_bytes = stream.tell()
    except (OSError, ValueError) as error:
      raise unreadable(error) from error

  def __len__(self) -> int:
    return self._num_bytes

  def __getitem__(self, where: slice) -> bytes:
    """Returns the bytes of a slice without a step.

    Raises:
      ClipError: reason unreadable.
    """
    start, stop, _ = where.indices(self._num_bytes)
    if stop <= start:
      return b''
    try:
      self._stream.seek(start)
      data = self._stream.read(stop - start)
    except (OSError, ValueError) as error:
      raise unreadable(error) from error
    patch_stop = self._patch_at + len(self._patch)
    if self._patch_at < start + len(data) and start < patch_stop:
      at = self._patch_at - start
      first, last = max(0, at), min(len(data), patch_stop - start)
      data = b''.join([data[:first], self._patch[first - at : last - at], data[last:]])
    return data

  def patched(self, at: int, content: bytes) -> ByteRanges:
    """Returns the same file with `content` in the place of what stands at `at`."""
    return ByteRanges(self._stream, (at, content))


# What headers are read from.
Bytes = bytes | ByteRanges


class Prefixed(ByteRanges):
  """A part of a file with something else before it."""

  def __init__(self, data: ByteRanges, prefix: bytes, start: int, stop: int) -> None:
    """Takes what `prefix + data[start:stop]` is of."""
    self._data, self._prefix, self._start = data, prefix, start
    self._num_bytes = len(prefix) + stop - start

  def __getitem__(self, where: slice) -> bytes:
    """Returns the bytes of a slice without a step."""
    start, stop, _ = where.indices(self._num_bytes)
    before = len(self._prefix)
    at = self._start - before
    behind = self._data[max(start, before) + at : max(stop, before) + at]
    return self._prefix[start:stop] + behind

  def patched(self, at: int, content: bytes) -> ByteRanges:
    """Not for these."""
    raise NotImplementedError


def prefixed(data: Bytes, prefix: bytes, start: int, stop: int) -> Bytes:
  """Returns what prefix + data[start:stop] is, without reading what is no bytes yet."""
  if isinstance(data, bytes):
    return b''.join([prefix, memoryview(data)[start:stop]])
  return Prefixed(data, prefix, start, stop)


class File(io.RawIOBase):
  """A file as decoders read it; an error is kept, as a callback of theirs cannot raise it."""

  def __init__(self, data: Bytes, limit: deadline.Deadline) -> None:
    super().__init__()
    self._data = data
    self._limit = limit
    self._position = 0
    self.error: ClipError | None = None

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    """Returns the position, which stays where it would come to lie before the beginning."""
    if whence & _SEEK_SIZE:
      return len(self._data)
    start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._data)}[whence]
    if start + offset >= 0:
      self._position = start + offset
    return self._position

  def seekable(self) -> bool:
    """True."""
    return True

  def readable(self) -> bool:
    """True."""
    return True

  def tell(self) -> int:
    """Returns the position."""
    return self._position

  def readinto(self, buffer: Any) -> int:
    """Fills `buffer` and returns how far; 0 at the end, after an error and when time is over."""
    if self.error is not None:
      return 0
    try:
      self._limit.check()
      data = self._data[self._position : self._position + len(buffer)]
    except ClipError as error:
      self.error = error
      return 0
    buffer[: len(data)] = data
    self._position += len(data)
    return len(data)


def unreadable(error: Exception) -> ClipError:
  """Returns the error of a file that cannot be read to its end."""
  said = getattr(error, 'strerror', None) or str(error) or type(error).__name__
  return ClipError('unreadable', f'Wanted the content of the file, got: {said}.')
