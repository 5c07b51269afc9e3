"""A seekable file that is sliced like bytes, so that headers are read from either."""

from __future__ import annotations

import os
from typing import BinaryIO

from schemas.rejects import ClipError


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


def unreadable(error: Exception) -> ClipError:
  """Returns the error of a file that cannot be read to its end."""
  said = getattr(error, 'strerror', None) or str(error) or type(error).__name__
  return ClipError('unreadable', f'Wanted the content of the file, got: {said}.')
