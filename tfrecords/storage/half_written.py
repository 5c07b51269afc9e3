"""Files and folders on their way, which a later run can tell from what a killed process left.

Whoever makes one holds a lock on it, which the kernel takes away when the process ends, however it
ends. So what can be locked belongs to nobody, and is removed by who writes to the same place next,
which is said. On file systems without locks nobody can tell, and it is left alone.
"""

import contextlib
import errno
import fcntl
import functools
import glob
import os
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator

# In the names of files and folders that are being written.
TEMPORARY_MARK = '.tmp-'

# Network disks lock what is open for writing, which no folder can be: EBADF.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF)
# What is drawn, and an ending that whoever writes may want. By it a file that a user calls
# `notes.tmp-old` is told from what is ours.
_DRAWN = r'[0-9a-f]{32}(\.\w+)?'
_FILE = re.compile(rf'(?P<final>.*){re.escape(TEMPORARY_MARK)}{_DRAWN}', re.DOTALL)


@contextlib.contextmanager
def folder(prefix: str) -> Iterator[str]:
  """Gives a new folder whose path begins with `prefix`, and removes it at the end if it is there.

  Folders of this prefix that killed processes left behind are removed first.

  Raises:
    OSError: if the folder cannot be made.
  """
  remove_abandoned(prefix)
  with _made(prefix, mode=0o777) as path:
    yield path


@contextlib.contextmanager
def scratch(name: str) -> Iterator[str]:
  """Gives a new folder among the temporary ones of the system, which this user alone can read.

  What killed processes left of the same name goes without a word: nobody looks there.

  Args:
    name: With what its name begins, such as `voxshard-app-`.

  Raises:
    OSError: if the folder cannot be made.
  """
  prefix = os.path.join(tempfile.gettempdir(), name)
  _remove(of_prefix(prefix))
  with _made(prefix, mode=0o700) as path:
    yield path


def remove_abandoned(prefix: str) -> None:
  """Removes the files and folders of a prefix that no process holds, and says so."""
  say_removed(_remove(of_prefix(prefix)))


def remove_abandoned_in(folder: str, *, unlocked_s: float) -> None:
  """Removes what is half-written in a folder and no process holds, and says so.

  Args:
    folder: The folder; nothing happens where there is none.
    unlocked_s: Where the file system knows no locks: what was not changed for so long goes too.
  """
  try:
    names = sorted(os.listdir(folder))
  except OSError:  # Where nothing can be listed nothing is in the way.
    return
  paths = [os.path.join(folder, name) for name in names if _FILE.fullmatch(name)]
  say_removed(_remove(paths, unlocked_s=unlocked_s))


def say_removed(paths: Iterable[str]) -> None:
  """Says what was removed, in one line; nothing where that is nothing."""
  names = list(paths)
  if not names:
    return
  if len(names) == 1:
    said = f'{names[0]!r}, which a killed process left half-written'
  else:
    said = f'{len(names):,} things that killed processes left half-written, such as {names[0]!r}'
  print(f'note: removed {said}.', file=sys.stderr, flush=True)


@contextlib.contextmanager
def file(path: str, *, ending: str = '') -> Iterator[str]:
  """Gives the path of a new, empty file that is held, and removed at the end if it is there.

  What killed processes left of the same `path` is removed first.

  Args:
    path: What the file is to become.
    ending: Of its name, behind the mark.

  Raises:
    OSError: if it cannot be made.
  """
  say_removed(_remove(_abandoned_of(path)))
  temporary, descriptor = _new_file(path, ending)
  try:
    yield temporary
  finally:
    os.close(descriptor)
    with contextlib.suppress(OSError):
      os.remove(temporary)


def of_prefix(prefix: str) -> list[str]:
  """Returns the files and folders that were made, or are being made, with a prefix."""
  found = sorted(glob.glob(f'{glob.escape(prefix)}*'))
  return [path for path in found if re.fullmatch(_DRAWN, path[len(prefix) :])]


def locked(path: str) -> int:
  """Returns a descriptor that holds the lock of a file or folder until it is closed.

  Raises:
    BlockingIOError: if another process holds it.
    OSError: if there is no such thing, or its file system knows no locks.
  """
  descriptor = os.open(path, _flags(path))
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:
    os.close(descriptor)
    raise
  return descriptor


def _flags(path: str) -> int:
  return os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)


def _remove(paths: Iterable[str], *, unlocked_s: float = float('inf')) -> list[str]:
  """Removes what no process holds and returns it.

  Args:
    paths: Of files and folders.
    unlocked_s: Where there are no locks, what was not changed for so long goes too.
  """
  removed = []
  for path in paths:
    try:
      descriptor = locked(path)
    except OSError as error:
      # Held, somebody else's, or gone.
      if error.errno not in _NO_LOCKS or _age_s(path) < unlocked_s:
        continue
      descriptor = os.open(path, os.O_RDONLY)
    try:
      if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
      else:
        with contextlib.suppress(OSError):
          os.remove(path)
    finally:
      os.close(descriptor)
    if not os.path.lexists(path):  # What cannot be removed is in nobody's way.
      removed.append(path)
  return removed


def _age_s(path: str) -> float:
  try:
    return time.time() - os.path.getmtime(path)
  except OSError:
    return 0.0


@contextlib.contextmanager
def _made(prefix: str, *, mode: int) -> Iterator[str]:
  path, descriptor = _new_folder(prefix, mode)
  try:
    yield path
  finally:
    shutil.rmtree(path, ignore_errors=True)
    os.close(descriptor)


def _new_folder(prefix: str, mode: int) -> tuple[str, int]:
  while True:
    path = f'{prefix}{uuid.uuid4().hex}'
    os.makedirs(path, mode)
    descriptor = _held(path)
    if descriptor is not None:
      return path, descriptor


def _new_file(path: str, ending: str) -> tuple[str, int]:
  while True:
    temporary = f'{path}{TEMPORARY_MARK}{uuid.uuid4().hex}{ending}'
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    descriptor = _held(temporary)
    if descriptor is not None:
      return temporary, descriptor


def _held(path: str) -> int | None:
  """Returns a descriptor that holds what was just made; None if somebody else was quicker."""
  try:
    descriptor = locked(path)
  except FileNotFoundError:
    return None  # Somebody removed it before it was locked.
  except BlockingIOError:
    return None  # Somebody is about to.
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise
    return os.open(path, os.O_RDONLY)
  if os.path.lexists(path):
    return descriptor
  os.close(descriptor)
  return None


def _abandoned_of(path: str) -> list[str]:
  """Returns what earlier processes left, or others are writing now, on the way to a file."""
  folder, name = os.path.split(path)
  return [os.path.join(folder, left) for left in _left_in(folder).get(name, ())]


@functools.lru_cache(maxsize=64)
def _left_in(folder: str) -> dict[str, list[str]]:
  """Returns what lay half-written in a folder as this process first wrote there, by its name to be.

  A folder of a million clips is listed once, and not for each file that is put there.
  """
  found: dict[str, list[str]] = {}
  with contextlib.suppress(OSError):
    for name in sorted(os.listdir(folder or '.')):
      match = _FILE.fullmatch(name)
      if match:
        found.setdefault(match['final'], []).append(name)
  return found
