"""Whether a file that could not be used may have been mended since: for reruns."""

from collections.abc import Sequence
from typing import Any

from beam_jobs.sources.tfds_records import clip_uri
from schemas import rejects
from tfrecords import storage

# Of these the file says nothing: the next attempt may well succeed.
_PASSING = ('changed', 'unreadable', 'no_permission')


def at_rejects(rejected: Sequence[rejects.Reject]) -> list[str]:
  """Returns what to remember of rejected files."""
  return ['' if reject.reason in _PASSING else _state(reject.uri) for reject in rejected]


def all_same(rejected: Sequence[rejects.Reject], remembered: Any) -> bool:
  """Whether all files are as they were when they were rejected."""
  return (
    isinstance(remembered, list)
    and len(remembered) == len(rejected)
    and all(
      state and _state(reject.uri) == state
      for reject, state in zip(rejected, remembered, strict=True)
    )
  )


def _state(uri: str) -> str:
  """Returns size and time of change; `missing`, or '' where nobody can tell."""
  path = clip_uri.file_of(uri)
  try:
    return storage.storage_of(path).state(path)
  except (FileNotFoundError, NotADirectoryError):
    return 'missing'
  except (OSError, ValueError):
    return ''
