"""What a bucket's client complains of, in words. The clients have exceptions of their own.

They are told by their attributes: which of them are installed is the user's matter, and none is
imported here.
"""

import contextlib
import errno
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tfrecords.storage import waiting

_Item = TypeVar('_Item')

_SIGN_IN = 'no sign-in was found that it accepts (`gcloud auth application-default login`)'
_MEANING = {
  401: _SIGN_IN,
  403: 'this user may not do that',
  404: 'there is no such bucket or object',
  412: 'there is one already',
  429: 'too many requests for the quota',
}
# What Python calls it; 5xx and 429 may pass, all others never will.
_NUMBERS: dict[int | type, int] = {
  401: errno.EACCES,
  403: errno.EACCES,
  404: errno.ENOENT,
  412: errno.EEXIST,
  429: errno.EIO,
  FileNotFoundError: errno.ENOENT,  # Some of fsspec's have no number.
  FileExistsError: errno.EEXIST,
  PermissionError: errno.EACCES,
}
# Of clients, by their names: no sign-in, and what they refuse to send.
_BY_NAME = {
  'NoCredentialsError': errno.EACCES,
  'PartialCredentialsError': errno.EACCES,
  'DefaultCredentialsError': errno.EACCES,
  'ParamValidationError': errno.EINVAL,
}
# What Google's client writes around the service's own words: the request, and the codes it wanted.
_AROUND = re.compile(
  r"^[A-Z]+ https?://\S+: |(: )?\('Request failed with status code'.*$", re.DOTALL
)


def status_of(error: Any) -> int | None:
  """Returns the HTTP status that an error stands for; None for another kind of failure."""
  cause = _innermost(error)
  if isinstance(cause, int):  # What Beam keeps of a request in a batch.
    return cause
  code = getattr(cause, 'code', None)
  if not isinstance(code, int):
    response = getattr(cause, 'response', None)
    code = getattr(response, 'status_code', None)
    if isinstance(response, dict):  # Amazon's.
      code = response.get('ResponseMetadata', {}).get('HTTPStatusCode')
  return code if isinstance(code, int) else None


def why(error: Any) -> str:
  """Returns the end of a sentence: what went wrong, and what the service said of it."""
  cause = _innermost(error)
  text = str(getattr(cause, 'message', '') or cause).strip()
  said = _AROUND.sub('', text).partition('\n')[0]
  status = status_of(error)
  if status is None:
    return said or type(cause).__name__
  meaning = _MEANING.get(status, 'the service refused it')
  detail = f': {said}' if said and said != str(status) else ''
  return f'{meaning} (status {status}{detail})'


@contextlib.contextmanager
def as_os_errors(path: str) -> Iterator[None]:
  """Raises whatever a client complains of as the OSErrors that a Storage promises.

  Where the body lasts, it is said what is waited for: clients ask again without a word.
  """
  try:
    with waiting.told(path):
      yield
  except Exception as error:  # No common class: Google's, Amazon's, HTTP's, Beam's.
    status = status_of(error)
    if status is None and isinstance(error, OSError) and error.errno is not None:
      raise
    if status is None:
      by_name = _BY_NAME.get(type(_innermost(error)).__name__, errno.EIO)
      number = _NUMBERS.get(type(error), by_name)
    else:
      number = _NUMBERS.get(status, errno.EINVAL if 400 <= status < 500 else errno.EIO)
    # OSError makes a FileNotFoundError and its like of these numbers.
    raise OSError(number, why(error), path) from error


def each(path: str, listed: Callable[[], Iterable[_Item]]) -> Iterator[_Item]:
  """Yields what a client lists, page by page, with its failures as as_os_errors has them."""
  with as_os_errors(path):
    found = iter(listed())
  end = object()
  while True:
    with as_os_errors(path):
      item: Any = next(found, end)
    if item is end:
      return
    yield item


def _innermost(error: Any) -> Any:
  """Returns what Beam's errors are about: they hold a dictionary of others, which hold others."""
  while details := getattr(error, 'exception_details', None):
    error = next(iter(details.values()))
  # Google's client was refused again and again, until its time was up.
  last = getattr(error, 'cause', None)
  if not isinstance(last, Exception) and isinstance(error, OSError):
    last = error.__cause__  # s3fs tells an error of Amazon's client so, and as_os_errors all.
  return last if isinstance(last, Exception) else error
