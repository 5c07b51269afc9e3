"""Single files of web servers, which are only read: http:// and https://.

By ranges where the server has them, so that an excerpt of a long recording costs little; else as a
whole. Nothing lasts for ever: a server that is silent, or drips, or sends without an end.
"""

import contextlib
import errno
import functools
import io
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NoReturn

import requests
import requests.adapters
import urllib3

from schemas import errors
from tfrecords.storage import place, waiting

# Seconds until a connection stands, and between two pieces of what comes by it.
CONNECT_S, SILENCE_S = 10, 30
# An answer takes no longer, in seconds.
ANSWER_S = 600
# No file is larger, in bytes.
MOST_BYTES = 4 << 30

_PIECE_BYTES = 64 << 10
_IN_MEMORY_BYTES = 16 << 20
_RANGE = re.compile(r'bytes (\d+)-(\d+)/(\d+)')
# What Python calls an answer; others of 400 to 499 are no use, and those from 500 on may pass.
_NUMBERS = {
  401: errno.EACCES,
  403: errno.EACCES,
  404: errno.ENOENT,
  407: errno.EACCES,
  408: errno.ETIMEDOUT,
  410: errno.ENOENT,
  425: errno.EAGAIN,
  429: errno.EAGAIN,
}
# What the address itself is to blame for.
_NEVER = (
  requests.exceptions.TooManyRedirects,
  ValueError,  # Of an address: MissingSchema, InvalidURL, a part that is too long.
  urllib3.exceptions.LocationParseError,
)
_OBJECT = re.compile(r'<[^<>]*>[:,]? ?')


class WebStorage(place.Bucket):
  """Web servers; of the methods of place.Storage those that read one file."""

  def writing(self, path: str) -> NoReturn:
    """Refuses."""
    raise _only_read(path)

  def create(self, path: str, data: bytes) -> NoReturn:
    """Refuses."""
    raise _only_read(path)

  def remove(self, path: str) -> NoReturn:
    """Refuses."""
    raise _only_read(path)

  def list_dir(self, path: str) -> NoReturn:
    """Refuses."""
    raise _only_read(path)

  def sizes(self, path: str) -> NoReturn:
    """Refuses."""
    raise _only_read(path)

  def walk(self, path: str) -> NoReturn:
    """Refuses."""
    raise _only_read(path)

  def open_read(self, path: str, piece_bytes: int = place.READ_BYTES) -> BinaryIO:
    """Returns a seekable stream of a file's bytes: of a small one after a single request."""
    most = max(place.HEAD_BYTES, piece_bytes)
    with answer(path, {'Range': f'bytes=0-{most - 1}'}) as response:
      if response.status_code == requests.codes.requested_range_not_satisfiable:
        return io.BytesIO()  # An empty file has no first byte.
      if response.status_code == requests.codes.ok:
        return _whole(response, path)
      found = range_of(response)
      if found and found[0] == 0:
        _, end, num_bytes = found
        _check_size(num_bytes, path)
        head = b''.join(pieces(response, path, end))
        if end >= num_bytes:
          return io.BytesIO(head)
        stream = _Ranges(path, num_bytes, validator_of(response))
        return io.BufferedReader(stream, piece_bytes)
    with answer(path) as response:  # It does not say how long the file is.
      return _whole(response, path)

  def exists(self, path: str) -> bool:
    """Whether there is such a file."""
    try:
      self.state(path)
    except FileNotFoundError:
      return False
    return True

  def state(self, path: str) -> str:
    """Returns what the server says of a file: its size, its tag, when it was changed."""
    try:
      with answer(path, method='HEAD') as response:
        return _state(response, response.headers.get('Content-Length', ''))
    except FileNotFoundError:
      raise
    except OSError:
      # Some refuse to be asked so, and signed addresses are signed for reading alone.
      with answer(path, {'Range': 'bytes=0-0'}) as response:
        found = range_of(response)
        length = str(found[2]) if found else response.headers.get('Content-Length', '')
        return _state(response, length)


class _Ranges(io.RawIOBase):
  """A file that is read where it is asked for; always one state of it."""

  def __init__(self, path: str, num_bytes: int, validator: str) -> None:
    super().__init__()
    self._path, self._num_bytes, self._validator = path, num_bytes, validator
    self._position = 0

  def readable(self) -> bool:
    """True."""
    return True

  def seekable(self) -> bool:
    """True."""
    return True

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    """Returns the new position."""
    start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._num_bytes}[whence]
    self._position = start + offset
    return self._position

  def tell(self) -> int:
    """Returns the position."""
    return self._position

  def readinto(self, buffer: Any) -> int:
    """Fills `buffer` and returns how far; 0 at the end."""
    start, end = self._position, min(self._position + len(buffer), self._num_bytes)
    if start >= end:
      return 0
    headers = {'Range': f'bytes={start}-{end - 1}'}
    if self._validator:
      headers['If-Range'] = self._validator
    with answer(self._path, headers) as response:
      if range_of(response) != (start, end, self._num_bytes):
        # Rather no clip than one of two states: whoever reads begins anew.
        raise _error(errno.ESTALE, 'the file was changed while it was read', self._path)
      data = b''.join(pieces(response, self._path, end - start))
    buffer[: len(data)] = data
    self._position += len(data)
    return len(data)


@contextlib.contextmanager
def answer(
  path: str, headers: Mapping[str, str] | None = None, *, method: str = 'GET'
) -> Iterator[requests.Response]:
  """Gives the answer of a server, with the bytes of the file as they are stored.

  Args:
    path: The address.
    headers: Of the request.
    method: Of the request.

  Raises:
    OSError: if there is no good one, as place.Storage says; 416 is one.
  """
  with _as_os_errors(path), waiting.told(path):
    response = _session().request(
      method,
      path,
      # Else the length of a text would be another one than is sent.
      headers={'Accept-Encoding': 'identity', **(headers or {})},
      stream=True,
      allow_redirects=True,
      timeout=(CONNECT_S, SILENCE_S),
    )
  with contextlib.closing(response):
    status = response.status_code
    if status >= 400 and status != requests.codes.requested_range_not_satisfiable:
      number = _NUMBERS.get(status, errno.EINVAL if status < 500 else errno.EIO)
      why = f'the server answered {status} {response.reason or ""}'.strip()
      raise _error(number, why, path)
    yield response


def pieces(
  response: requests.Response,
  path: str,
  num_bytes: int | None = None,
  *,
  limit_s: float | None = None,
) -> Iterator[bytes]:
  """Yields what an answer holds; as much as it says, or `num_bytes`.

  Args:
    response: The answer.
    path: The address.
    num_bytes: What is wanted; None for all of it.
    limit_s: It takes no longer, in seconds; None for ANSWER_S.

  Raises:
    OSError: if the connection ends before, or it takes too long.
  """
  limit_s = ANSWER_S if limit_s is None else limit_s
  deadline_s = time.monotonic() + limit_s
  if num_bytes is None:
    num_bytes = length_of(response)
  got = 0
  while num_bytes is None or got < num_bytes:
    wanted = _PIECE_BYTES if num_bytes is None else min(_PIECE_BYTES, num_bytes - got)
    try:
      # What has come, however little: to wait for more would let a server drip for hours.
      with _as_os_errors(path), waiting.told(path):
        piece = response.raw.read1(wanted, decode_content=False)
    except ConnectionResetError:
      if num_bytes is None:
        raise
      break  # How much is missing is told below.
    if not piece:
      break
    got += len(piece)
    yield piece
    if time.monotonic() > deadline_s:
      raise _error(errno.ETIMEDOUT, f'no whole answer in {limit_s:g} s', path)
  if num_bytes is not None and got < num_bytes:
    why = f'the connection ended after {got:,} of {num_bytes:,} bytes'
    raise _error(errno.ECONNRESET, why, path)


def length_of(response: requests.Response) -> int | None:
  """Returns how many bytes an answer says that it has; None where it does not say."""
  length = response.headers.get('Content-Length', '')
  return int(length) if length.isdigit() else None


def range_of(response: requests.Response) -> tuple[int, int, int] | None:
  """Returns where an answer begins and ends in the file, and the file's size; None if it is whole.

  None too where the server does not tell the size.
  """
  if response.status_code != requests.codes.partial_content:
    return None
  match = _RANGE.fullmatch(response.headers.get('Content-Range', '').strip())
  return (int(match[1]), int(match[2]) + 1, int(match[3])) if match else None


def validator_of(response: requests.Response) -> str:
  """Returns what tells this state of the file from others in If-Range; '' if the server does not.

  A weak tag does not: it stays where only little was changed.
  """
  tag: str = response.headers.get('ETag', '')
  changed: str = response.headers.get('Last-Modified', '')
  return tag if tag.startswith('"') else changed


def _state(response: requests.Response, length: str) -> str:
  said = response.headers
  return ' '.join((length, said.get('ETag', ''), said.get('Last-Modified', '')))


def _whole(response: requests.Response, path: str) -> BinaryIO:
  """Returns all that an answer holds, of large files on the disk."""
  _check_size(length_of(response) or 0, path)
  # Closed by whoever reads it.
  content: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
  try:
    for piece in pieces(response, path):
      _check_size(content.tell() + len(piece), path)
      content.write(piece)
    content.seek(0)
  except BaseException:
    content.close()
    raise
  return content  # type: ignore[no-any-return]


def _check_size(num_bytes: int, path: str) -> None:
  if num_bytes > MOST_BYTES:
    raise _error(errno.EFBIG, f'the file is larger than {MOST_BYTES >> 30} GiB', path)


def _only_read(path: str) -> OSError:
  why = 'a web server only delivers single files; name a folder of this machine, s3:// or gs://'
  return _error(errno.EINVAL, why, path)


def _error(number: int, why: str, path: str) -> OSError:
  """Returns an error that names the address without its secrets."""
  shown = errors.shown(path)
  return OSError(number, errors.without_secrets(why.replace(path, shown)), shown)


@contextlib.contextmanager
def _as_os_errors(path: str) -> Iterator[None]:
  # What the library says is not kept behind it: it names whole addresses, also without a host.
  try:
    yield
  except _NEVER as error:
    raise _error(errno.EINVAL, _said(error), path) from None
  except requests.exceptions.SSLError as error:
    number = errno.EINVAL if 'CERTIFICATE' in str(error).upper() else errno.ECONNRESET
    raise _error(number, _said(error), path) from None
  except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
    raise _error(errno.ETIMEDOUT, 'the server is silent', path) from None
  except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
    raise _error(errno.ECONNRESET, _said(error), path) from None


def _said(error: BaseException) -> str:
  """Returns what went wrong, without the names of Python's objects."""
  inner: Any = error
  while isinstance(cause := getattr(inner, 'reason', None) or next(iter(inner.args), None),
                   Exception):  # fmt: skip
    inner = cause
  return _OBJECT.sub('', str(inner)).strip() or type(inner).__name__


@functools.cache
def _session() -> requests.Session:
  """Returns the process's one session, with connections for all of its threads."""
  session = requests.Session()
  adapter = requests.adapters.HTTPAdapter(place.CONNECTIONS, place.CONNECTIONS)
  session.mount('https://', adapter)
  session.mount('http://', adapter)
  return session
