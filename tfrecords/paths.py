"""Paths as users write them."""

import os
import re

# The home, also behind the kind of the place, as in table:~/clips.csv.
_HOME = re.compile(r'(\w+:)?(~.*)', re.DOTALL)


def expand(path: str) -> str:
  """Returns the path with its `~` replaced by the home; one with `://` stays as it is."""
  match = _HOME.fullmatch(path)
  return f'{match[1] or ""}{os.path.expanduser(match[2])}' if match else path
