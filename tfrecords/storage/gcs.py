"""Objects of Cloud Storage with as few requests, and as few bytes, as the job needs.

Through Google's client, signed in as Beam signs in. Beam's own reader signs in anew for each
object, asks for its size, and fetches 16 MiB of it. For a clip of 32 kB that costs 5.6 ms of
processor time and two round trips where 1 ms and one are enough; for one word of a recording of two
hours, 500 times the bytes.
"""

import contextlib
import functools
import io
import logging
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import requests.adapters
from apache_beam.internal.gcp import auth
from apache_beam.io import filesystems
from google.api_core import exceptions
from google.cloud.storage import fileio, retry

from tfrecords.storage import cloud_errors, place

SCHEME = 'gs://'


class GcsStorage(place.Bucket):
  """Cloud Storage; the methods are those of place.Storage."""

  @contextlib.contextmanager
  def writing(self, path: str) -> Iterator[BinaryIO]:
    """Gives a stream to an object that appears when its upload ends, and needs no other name."""
    stream = _Writer(
      _blob(path), chunk_size=place.WRITE_BYTES, ignore_flush=True, content_type=_CONTENT
    )
    try:
      yield cast(BinaryIO, stream)
      stream.finish()
    except BaseException:
      with contextlib.suppress(Exception):  # The service drops what is not finished, after a week.
        stream.terminate()
      raise

  def create(self, path: str, data: bytes) -> None:
    """Writes a small object where there is none; raises FileExistsError where there is one."""
    with cloud_errors.as_os_errors(path):
      _blob(path).upload_from_string(data, content_type=_CONTENT, if_generation_match=0)

  def open_read(self, path: str, piece_bytes: int = place.READ_BYTES) -> BinaryIO:
    """Returns a seekable stream of an object's bytes: of a small one after a single request."""
    blob, head_bytes = _blob(path), max(place.HEAD_BYTES, piece_bytes)
    with cloud_errors.as_os_errors(path):
      try:
        head = blob.download_as_bytes(end=head_bytes - 1, raw_download=True)
      except exceptions.RequestRangeNotSatisfiable:  # An empty object has no first byte.
        head = b''
      if len(head) < head_bytes:
        return io.BytesIO(head)
      blob.reload()  # Its size, and its generation: what is read from here on is one state of it.
    return io.BufferedReader(cast(Any, _Reader(blob, chunk_size=piece_bytes, raw_download=True)))

  def remove(self, path: str) -> None:
    """Deletes an object."""
    with cloud_errors.as_os_errors(path):
      _blob(path).delete(retry=retry.DEFAULT_RETRY)

  def exists(self, path: str) -> bool:
    """Whether there is an object, or something below, at `path`."""
    with cloud_errors.as_os_errors(path):
      return bool(_blob(path).exists()) or any(True for _ in _listed(path, max_results=1))

  def state(self, path: str) -> str:
    """Returns the generation: each object that takes the name has another one."""
    blob = _blob(path)
    with cloud_errors.as_os_errors(path):
      blob.reload()
    return str(blob.generation)

  def list_dir(self, path: str) -> list[str]:
    """Returns the sorted names of what lies in a folder."""
    with cloud_errors.as_os_errors(path):
      found = _listed(path, delimiter='/')
      names = {blob.name for blob in found} | set(found.prefixes)
    return sorted(name.rstrip('/').rpartition('/')[2] for name in names - {_prefix(path)})

  def sizes(self, path: str) -> dict[str, int]:
    """Returns the bytes of each object in a folder by its name, from one listing."""
    start = len(_prefix(path))
    with cloud_errors.as_os_errors(path):
      found = _listed(path, delimiter='/', fields='items(name,size),nextPageToken')
      return {blob.name[start:]: int(blob.size) for blob in found}

  def walk(self, path: str) -> Iterator[tuple[str, str]]:
    """Yields the names, relative to `path`, and the states of all objects below."""
    start = len(_prefix(path))
    fields = 'items(name,generation),nextPageToken'
    for blob in cloud_errors.each(path, lambda: _listed(path, fields=fields)):
      yield blob.name[start:], str(blob.generation)


class _Reader(fileio.BlobReader):  # type: ignore[misc]
  def read(self, size: int = -1) -> bytes:
    with cloud_errors.as_os_errors(f'{SCHEME}{self._blob.bucket.name}/{self._blob.name}'):
      return bytes(super().read(size))


class _Writer(fileio.BlobWriter):  # type: ignore[misc]
  def write(self, data: Any) -> int:
    with cloud_errors.as_os_errors(f'{SCHEME}{self._blob.bucket.name}/{self._blob.name}'):
      return int(super().write(data))

  def close(self) -> None:
    """Does nothing: a stream that is forgotten closes itself, and half an object would appear."""

  def finish(self) -> None:
    """Makes what was written the object."""
    with cloud_errors.as_os_errors(f'{SCHEME}{self._blob.bucket.name}/{self._blob.name}'):
      super().close()


_CONTENT = 'application/octet-stream'


def _blob(path: str) -> Any:
  bucket, _, name = path.removeprefix(SCHEME).partition('/')
  return _client().bucket(bucket).blob(name)


def _prefix(path: str) -> str:
  name = path.removeprefix(SCHEME).partition('/')[2].rstrip('/')
  return f'{name}/' if name else ''


def _listed(path: str, **settings: Any) -> Any:
  bucket = path.removeprefix(SCHEME).partition('/')[0]
  return _client().list_blobs(bucket, prefix=_prefix(path), **settings)


@functools.cache
def _client() -> Any:
  """Returns the process's one client, signed in as Beam signs in."""
  with _no_tracebacks(), _asked_once():
    client = filesystems.FileSystems.get_filesystem(SCHEME)._gcsIO().client
  # As Google's documentation does it: the session keeps 10 connections, and closes all others.
  adapter = requests.adapters.HTTPAdapter(place.CONNECTIONS, place.CONNECTIONS)
  client._http.mount('https://', adapter)
  client._http.mount('http://', adapter)
  return client


@contextlib.contextmanager
def _asked_once() -> Iterator[None]:
  """Lets Beam look for a sign-in once: it does so five times, in half a minute, for there is none.

  Not on Google's machines, where a service that has just started is asked: there it may be the
  third time that helps.
  """
  retrying = auth._Credentials._get_credentials_with_retrys
  once = getattr(retrying, '__wrapped__', None)
  if once is None or auth.is_running_in_gce:
    yield
    return
  auth._Credentials._get_credentials_with_retrys = staticmethod(once)
  try:
    yield
  finally:
    auth._Credentials._get_credentials_with_retrys = staticmethod(retrying)


@contextlib.contextmanager
def _no_tracebacks() -> Iterator[None]:
  """Hushes Beam's retries: where it looks for a sign-in again, it logs a traceback each time.

  What it says at the end stays: that there is none, and that it goes on without.
  """
  retries = logging.getLogger('apache_beam.utils.retry')
  level = retries.level
  retries.setLevel(logging.ERROR)
  try:
    yield
  finally:
    retries.setLevel(level)
