"""Paths as users write them."""

import os
import posixpath
import re
import unicodedata
import urllib.parse
from typing import Literal

# The normal forms in which names are written.
FORMS: tuple[Literal['NFC', 'NFD'], ...] = ('NFC', 'NFD')

# The home, also behind the kind of the place, as in table:~/clips.csv.
_HOME = re.compile(r'(\w+:)?(~.*)', re.DOTALL)


def expand(path: str) -> str:
  """Returns the path with its `~` replaced by the home; one with `://` stays as it is.

  But for `file:///PATH`, which is one of this machine.
  """
  if path[:8].lower() == 'file:///':
    return urllib.parse.unquote(path[7:])
  match = _HOME.fullmatch(path)
  return f'{match[1] or ""}{os.path.expanduser(match[2])}' if match else path


def folder(path: str) -> str:
  """Returns the path of a folder without slashes at its end; `/` and such as `s3://` keep them."""
  kept = path.rstrip('/')
  # Without its slashes the kind of a bucket would be the name of a folder here.
  return path if kept.endswith(':') or not kept else kept


def is_there(folder: str, inside: str) -> bool:
  """Whether a local folder has a file, a folder or a link at a relative path."""
  # A zero byte is no part of a name: whoever opens the file says so.
  return '\0' not in inside and os.path.lexists(os.path.join(folder, inside))


def on_disk(folder: str, inside: str) -> str:
  """Returns a path below a local folder in the normal forms of Unicode in which the disk has it.

  `é` is one sign (NFC) or an `e` with an accent behind it (NFD): macOS names files so, and tables
  are typed the other way. As it is where there is no such file. Most names are written in one way
  only: they cost nothing.
  """
  if inside.isascii() or is_there(folder, inside):
    return inside
  found: list[str] = []
  for part in inside.split('/'):
    forms = dict.fromkeys((part, *(unicodedata.normalize(form, part) for form in FORMS)))
    name = next((form for form in forms if is_there(folder, '/'.join([*found, form]))), None)
    if name is None:
      return inside
    found.append(name)
  return '/'.join(found)


def with_slashes(folder: str, inside: str) -> str:
  """Returns a path below a local folder with `/` for the backslashes of Windows, if it is there."""
  if '\\' not in inside or is_there(folder, inside):
    return inside
  slashed = posixpath.normpath(inside.replace('\\', '/'))
  return slashed if is_there(folder, on_disk(folder, slashed)) else inside
