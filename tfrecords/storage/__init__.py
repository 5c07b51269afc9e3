"""Where files lie: on a disk, or in a bucket. The same few methods for every place."""

import contextlib
import os
from collections.abc import Iterator

from schemas import errors
from tfrecords.storage import local
from tfrecords.storage.half_written import TEMPORARY_MARK as TEMPORARY_MARK
from tfrecords.storage.place import Storage as Storage

LOCAL: Storage = local.LocalStorage()
WEB = ('http', 'https')


def storage_of(path: str) -> Storage:
  """Returns what reads and writes at `path`.

  Raises:
    ConfigError: if nothing that is installed does, or no bucket is named.
  """
  scheme, mark, rest = path.partition('://')
  if not mark:
    return LOCAL
  if scheme != 'file' and (not rest.strip('/') or rest.startswith('/')):
    raise errors.ConfigError(f'{path!r} names no bucket. Write {scheme}://BUCKET/FOLDER.')
  try:
    # Imported here: a job on a disk needs neither, and their clients take a second.
    if scheme == 'gs':
      from tfrecords.storage import gcs

      return gcs.GcsStorage()
    if is_web(path):
      from tfrecords.storage import web

      return web.WebStorage()
    from tfrecords.storage import fsspec_bucket

    return fsspec_bucket.FsspecStorage(scheme)
  except (ImportError, ValueError) as error:
    raise errors.ConfigError(
      f'{path!r}: nothing installed here reads and writes {scheme}://. Folders of this machine and '
      "buckets are; for gs:// it needs pip install 'voxshard[gcp]', for s3:// pip install "
      "'voxshard[aws]'. Single files are read from http:// and https:// too."
    ) from error


def is_web(path: str) -> bool:
  """Whether a web server is asked, which delivers files and neither lists nor takes them."""
  return path.partition('://')[0].lower() in WEB and '://' in path


def check_output(path: str, *, flag: str = '--output') -> None:
  """Raises ConfigError for a flag that names a place to which nothing can be written."""
  if is_web(path):
    raise errors.ConfigError(
      f'{flag}={path!r} is on a web server, which only delivers files. Name a place on a disk of '
      'this machine, or in a bucket: s3://BUCKET/FOLDER, gs://BUCKET/FOLDER.'
    )
  if '://' not in path and local.is_device(path):
    raise errors.ConfigError(
      f'{flag}={path} is a device or a pipe, which would be replaced. Name a place on a disk of '
      'this machine.'
    )


def free_bytes(path: str) -> int | None:
  """Returns how much may still be written where `path` lies; None where nobody can tell."""
  with contextlib.suppress(OSError):
    if '://' not in path:
      disk = os.statvfs(os.path.dirname(path) or '.')
      return disk.f_bavail * disk.f_frsize
  return None


def why_not_written(what: str, error: OSError, *, path: str, need: str = '') -> str:
  """Returns the sentences of an error: what could not be written, why, and what to do.

  Args:
    what: Such as `the shard '/data/x'`.
    error: What the storage said.
    path: Where it was to be written.
    need: How much had to be written, as a part of a sentence.
  """
  free = free_bytes(path)
  figures = [need, f'{free:,} bytes are free there' if free is not None else '']
  told = '; '.join(figure for figure in figures if figure)
  return (
    f'Could not write {what}: {error.strerror or error}{f" ({told})" if told else ""}. Is there '
    'room on the disk, and may this user write there? Then run the same command again.'
  )


def write_atomically(path: str, data: bytes, storage: Storage = LOCAL) -> None:
  """Writes a small file that is there whole or not at all.

  Raises:
    OSError: if the storage refuses; nothing is left behind then.
  """
  with storage.writing(path) as stream:
    stream.write(data)


@contextlib.contextmanager
def naming_failures(what: str, *, path: str, need: str = '') -> Iterator[None]:
  """Turns what a storage refuses into the sentences of why_not_written.

  Raises:
    DatasetError: in place of an OSError.
  """
  try:
    yield
  except OSError as error:
    raise errors.DatasetError(why_not_written(what, error, path=path, need=need)) from error


def write_or_refuse(path: str, data: bytes, storage: Storage = LOCAL, *, what: str = '') -> None:
  """Writes a small file, whole or not at all.

  Raises:
    DatasetError: with `what` could not be written (by default the path), why, and what to do.
  """
  with naming_failures(what or repr(path), path=path, need=f'it needs {len(data):,} bytes'):
    write_atomically(path, data, storage)


def remove_if_there(path: str, storage: Storage = LOCAL) -> None:
  """Deletes a file; nothing happens where there is none, or somebody else is quicker."""
  with contextlib.suppress(FileNotFoundError):
    if storage.exists(path):
      storage.remove(path)
