"""Temporary folders that a later run can tell from those still in use.

Whoever makes one holds a lock on it, which the kernel takes away when the process ends, however it
ends. So a folder whose lock can be had belongs to nobody.
"""

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import uuid
from collections.abc import Iterator


@contextlib.contextmanager
def held(prefix: str) -> Iterator[str]:
  """Gives a new folder whose path begins with `prefix`, and removes it at the end.

  Folders of this prefix that killed processes left behind are removed first.

  Raises:
    OSError: if the folder cannot be made.
  """
  remove_abandoned(prefix)
  path, descriptor = _made(prefix)
  try:
    yield path
  finally:
    shutil.rmtree(path, ignore_errors=True)
    os.close(descriptor)


def remove_abandoned(prefix: str) -> None:
  """Removes the folders of a prefix that no process holds."""
  for path in sorted(glob.glob(f'{glob.escape(prefix)}*')):
    # Somebody else's, or not on a file system that knows locks: left alone.
    with contextlib.suppress(OSError):
      descriptor = locked(path)
      try:
        shutil.rmtree(path, ignore_errors=True)
      finally:
        os.close(descriptor)


def _made(prefix: str) -> tuple[str, int]:
  while True:
    path = f'{prefix}{uuid.uuid4().hex}'
    os.makedirs(path)
    try:
      descriptor = locked(path)
    except FileNotFoundError:
      continue  # Somebody removed it before it was locked.
    except BlockingIOError:
      continue  # Somebody is about to.
    except OSError as error:
      if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
        raise
      return path, os.open(path, os.O_RDONLY)
    if os.path.isdir(path):
      return path, descriptor
    os.close(descriptor)


def locked(path: str) -> int:
  """Returns a descriptor that holds the lock of a folder until it is closed.

  Raises:
    BlockingIOError: if another process holds it.
    OSError: if there is no such folder, or its file system knows no locks.
  """
  descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:
    os.close(descriptor)
    raise
  return descriptor
