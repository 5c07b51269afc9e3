"""What passes by itself: a disk, a bucket or a web server that fails to deliver just now.

It is no fault of the file: a clip left out for it would be missing in a data set that looks whole.
So it is waited out, here and nowhere else, and ends the work where it stays. What is not there, or
not to be read by this user, never is such a fault.
"""

import contextlib
import errno
import io
import time
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from schemas import errors
from tfrecords.storage import waiting

# Between five tries; ten seconds in all.
WAITS_S = (0.3, 1.0, 2.5, 6.0)

PASSING = frozenset({
  errno.EIO,
  errno.ESTALE,
  errno.EMFILE,
  errno.ENFILE,
  errno.ENOMEM,
  errno.EAGAIN,
  errno.EBUSY,
  errno.ETIMEDOUT,
  errno.ECONNRESET,
  errno.ECONNABORTED,
  errno.ECONNREFUSED,
  errno.ENETDOWN,
  errno.ENETUNREACH,
  errno.ENETRESET,
  errno.EHOSTDOWN,
  errno.EHOSTUNREACH,
  errno.ENOTCONN,
  errno.EPIPE,
  errno.EREMOTEIO,
})  # fmt: skip

# Their clients have asked again already: Google's for two minutes, Amazon's 25 times in half a one.
_ASKED_AGAIN = ('gs://', 's3://')
_PIECE_BYTES = 256 << 10

_Result = TypeVar('_Result')

sleep = time.sleep  # Tests put another in its place.


def fault_in(error: BaseException | None) -> OSError | None:
  """Returns the passing fault that an error is, or was raised from; None if there is none.

  Of our own errors only a clip that is unreadable can be one: decoders too have an EIO, by which
  they mean that a file is damaged.
  """
  while error is not None:
    if isinstance(error, OSError):
      return error if error.errno in PASSING else None
    if isinstance(error, errors.VoxshardError) and getattr(error, 'reason', '') != 'unreadable':
      return None
    error = error.__cause__
  return None


def patiently(attempt: Callable[[], _Result], path: str) -> _Result:
  """Returns what `attempt` does, which is made again as long as a passing fault stops it.

  Args:
    attempt: Reads something, from its start each time.
    path: What it reads, for the error.

  Raises:
    StorageError: if the fault does not pass; every other error is the attempt's own.
  """
  waits_s = () if path.startswith(_ASKED_AGAIN) else WAITS_S
  with contextlib.ExitStack() as stack:
    for number, wait_s in enumerate((*waits_s, None)):
      try:
        return attempt()
      except Exception as error:
        fault = fault_in(error)
        if fault is None:
          raise
        if wait_s is None:
          raise _lasting(path, fault, len(waits_s) + 1, sum(waits_s)) from error
      if not number:
        stack.enter_context(waiting.told(path))
      sleep(wait_s)
  raise AssertionError('The last try returns or raises.')


def opened_patiently(open_stream: Callable[[], BinaryIO], path: str) -> BinaryIO:
  """Returns a seekable stream that is opened anew, where it stood, when a passing fault stops it.

  Args:
    open_stream: Opens the file, which stays as it is.
    path: The file, for the error.

  Raises:
    StorageError: here and while it is read, if a fault does not pass.
  """
  stream = patiently(open_stream, path)
  return io.BufferedReader(_Reopened(stream, open_stream, path), _PIECE_BYTES)


class _Reopened(io.RawIOBase):
  def __init__(self, stream: BinaryIO, open_stream: Callable[[], BinaryIO], path: str) -> None:
    super().__init__()
    self._stream: BinaryIO | None = stream
    self._open, self._path = open_stream, path
    self._position = self._stands_at = 0

  def readable(self) -> bool:
    """True."""
    return True

  def seekable(self) -> bool:
    """True."""
    return True

  def readinto(self, buffer: Any) -> int:
    """Fills `buffer` and returns how far; 0 at the end."""
    data = self._patiently(lambda stream: stream.read(len(buffer)))
    buffer[: len(data)] = data
    self._position = self._stands_at = self._position + len(data)
    return len(data)

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    """Returns the new position."""
    if whence == io.SEEK_END:
      offset += self._patiently(lambda stream: stream.seek(0, io.SEEK_END))
      self._stands_at = -1
    elif whence == io.SEEK_CUR:
      offset += self._position
    self._position = offset
    return self._position

  def tell(self) -> int:
    """Returns the position."""
    return self._position

  def close(self) -> None:
    """Closes the file."""
    if self._stream is not None:
      self._stream.close()
    super().close()

  def _patiently(self, act: Callable[[BinaryIO], _Result]) -> _Result:
    """Returns what `act` does with the stream, which stands at the position."""

    def attempt() -> _Result:
      stream, self._stream = self._stream, None
      if stream is None:
        stream, self._stands_at = self._open(), 0
      try:
        # Only where it has to: some streams go forward only.
        if self._stands_at != self._position:
          stream.seek(self._position)
        result = act(stream)
      except BaseException:
        stream.close()  # The next try has another.
        raise
      self._stream = stream
      return result

    return patiently(attempt, self._path)


def _lasting(path: str, fault: OSError, num_tries: int, seconds: float) -> errors.StorageError:
  tries = f' ({num_tries} tries in {seconds:.0f} s)' if num_tries > 1 else ''
  path = errors.shown(path)
  return errors.StorageError(
    f'Could not read {path}: {fault.strerror or fault}{tries}. Such a fault mostly passes, so it '
    'is not taken for one of the file: run the same command again, whole shards are kept. Where it '
    'is always this file, copy it again or do without it.'
  )
