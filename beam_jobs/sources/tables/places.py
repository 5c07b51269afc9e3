"""From the cell of a table that names a file to what opens it.

Relative paths start from the table's folder. Those written elsewhere are found too: with the
backslashes of Windows, and in the other of the two forms in which Unicode writes `é`.
"""

import os
import posixpath
import re
import urllib.parse

from beam_jobs.sources.tables import lines
from schemas import errors, rejects
from schemas.rejects import ClipError
from tfrecords import paths, storage

_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
_WINDOWS_DISK = re.compile(r'[A-Za-z]:[\\/]')


class Places:
  """Finds the files of one table.

  Attributes:
    noted: What is to be told of the paths that were read otherwise than they are written.
  """

  def __init__(self, root: str) -> None:
    """Takes the folder that relative paths start from, and that none may leave."""
    self._root = root
    self._is_local = not _SCHEME.match(root)
    self.noted: tuple[rejects.Noted, ...] = ()

  def find(self, path: str) -> tuple[str, str]:
    """Returns a path as a part of ids, without secrets, and what opens the file.

    Raises:
      ClipError: if it leads out of the folder, or to no file in it, or nothing here opens it.
    """
    written = path
    if match := _SCHEME.match(path):
      if match[1].lower() != 'file':
        return errors.shown(path), _checked(path)
      path = _of_file_uri(path)
    if _WINDOWS_DISK.match(path):
      raise ClipError(
        'outside',
        f'Wanted a path inside of {errors.shown(self._root)}, got {written!r} on a disk of '
        "Windows. Write it from the table's folder on, such as yes/1.wav.",
      )
    inside = self._inside(path, written)
    if '\\' in path:
      slashed = self._inside(path.replace('\\', '/'), written)
      if not self._is_local or paths.with_slashes(self._root, inside) == slashed:
        self._note('backslashes', written)
        inside = slashed
    found = paths.on_disk(self._root, inside) if self._is_local else inside
    if found != inside:
      self._note('other_form', inside)
    return inside, self._opener(found)

  def _inside(self, path: str, written: str) -> str:
    """Returns a path relative to the folder."""
    prefix = f'{self._root.rstrip("/")}/'
    inside = path.removeprefix(prefix).lstrip('/') if path.startswith(prefix) else path
    inside = posixpath.normpath(inside)  # Of '' it is '.'.
    if inside.startswith(('/', '../')) or inside == '..':
      raise ClipError(
        'outside',
        f'Wanted a path inside of {errors.shown(self._root)}, got {written!r}. Another folder is '
        'named by table:root=FOLDER.',
      )
    if inside == '.':
      raise ClipError('bad_row', f'Wanted the path of an audio file, got {written!r}.')
    return inside

  def _opener(self, inside: str) -> str:
    # In an address `#`, `?` and `%` have other meanings than in a name.
    name = urllib.parse.quote(inside) if storage.is_web(self._root) else inside
    return f'{self._root.rstrip("/")}/{name}'

  def _note(self, reason: str, name: str) -> None:
    self.noted = rejects.merged((*self.noted, rejects.Noted(reason=reason, names=(name,))))


def root_of(path: str, root: str) -> str:
  """Returns the folder that relative paths of a table start from, without `~` and relative parts.

  Args:
    path: The table.
    root: What the user says; relative to the table's folder, or '' for that.
  """
  folder = lines.file_of(path).rpartition('/')[0] or '/'
  root = paths.expand(root)
  if root and not _SCHEME.match(root) and not root.startswith('/'):
    root = f'{folder}/{root}'
  root = root or folder
  return root.rstrip('/') if _SCHEME.match(root) else os.path.normpath(root)


def _checked(uri: str) -> str:
  """Returns an address that something here reads."""
  try:
    storage.storage_of(uri)
  except errors.ConfigError as error:
    raise ClipError('bad_uri', str(error)) from error
  return uri


def _of_file_uri(uri: str) -> str:
  """Returns the local path that `file://` names."""
  rest = uri.partition('://')[2]
  host, slash, path = rest.partition('/')
  if host not in ('', 'localhost'):
    raise ClipError(
      'bad_uri',
      f'Wanted file:///PATH of this machine, got {errors.shown(uri)!r} of another machine.',
    )
  return urllib.parse.unquote(slash + path)
