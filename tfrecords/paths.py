"""Paths as users write them."""

import os
import re
import urllib.parse

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
