"""Whether a file that could not be used may have been mended since: for reruns."""

import os

from apache_beam.io import filesystems
from apache_beam.io.filesystem import BeamIOError

from beam_jobs.sources.tfds_records import clip_uri
from schemas import rejects

# Of these the file says nothing: the next attempt may well succeed.
_PASSING = ('changed', 'unreadable', 'no_permission')


def at_reject(reject: rejects.Reject) -> str:
  """Returns what to remember of a rejected file."""
  return '' if reject.reason in _PASSING else _state(reject.uri)


def is_same(uri: str, remembered: str) -> bool:
  """Whether a file is as it was when it was rejected."""
  return bool(remembered) and _state(uri) == remembered


def _state(uri: str) -> str:
  """Returns size and time of change; `missing`, or '' where nobody can tell."""
  path = clip_uri.parse_uri(uri).path if clip_uri.is_uri(uri) else uri
  try:
    if '://' not in path:
      stat = os.stat(path)
      return f'{stat.st_size} {stat.st_mtime_ns}'
    found = filesystems.FileSystems.match([path])[0].metadata_list
    return f'{found[0].size_in_bytes} {found[0].last_updated_in_seconds}' if found else 'missing'
  except (FileNotFoundError, NotADirectoryError):
    return 'missing'
  except (OSError, ValueError, BeamIOError):
    return ''
