"""Whether the files that a shard is made of are still those that it was made of: for reruns."""

import base64
import concurrent.futures
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beam_jobs.processes import worker_page
from beam_jobs.sources.tfds_records import clip_uri
from schemas import errors, rejects
from schemas.utterance import Utterance
from tfrecords import storage

# Of these the file says nothing: the next attempt may well succeed, with another decoder or limit.
_PASSING = ('changed', 'unreadable', 'no_permission', 'no_decoder', 'in_part', 'too_slow')
_UNKNOWN = '????????'
_CHARS = len(_UNKNOWN)


def files_of(utterances: Iterable[Utterance], noise: Sequence[str] = ()) -> dict[str, str]:
  """Returns what is opened for some clips, sorted, each with its state as far as it was listed."""
  found = dict.fromkeys(noise, '')
  for utterance in utterances:
    found[clip_uri.file_of(utterance.uri)] = utterance.state
  return dict(sorted(found.items()))


def states(files: Mapping[str, str]) -> str:
  """Returns the states of files in their order, eight characters each: small enough for a note.

  On a disk that is size and time of change, some 3 us a file; in a bucket what its listing said, or
  else a request for each file, several at a time. Taken before the files are read, so that one that
  is replaced meanwhile is another one for the next run.
  """
  known = {path: listed or _state(path) for path, listed in files.items() if '://' not in path}
  asked = [path for path, listed in files.items() if not listed and path not in known]
  if asked:
    with concurrent.futures.ThreadPoolExecutor(worker_page.MAX_THREADS) as pool:
      known.update(zip(asked, pool.map(_state, asked), strict=True))
  return ''.join(_digest(known.get(path, listed)) for path, listed in files.items())


def after_rejects(files: Mapping[str, str], before: str, rejected: Iterable[rejects.Reject]) -> str:
  """Returns the states to be noted of files of which some could not be used.

  Of one that was away for a moment, or otherwise another one than before, nobody can tell to which
  state of it the reject belongs.
  """
  bad = {clip_uri.file_of(reject.uri) for reject in rejected}  # As errors.shown has them.
  noted = []
  for i, path in enumerate(files):
    state = before[i * _CHARS : (i + 1) * _CHARS]
    is_same = errors.shown(path) not in bad or state == states({path: ''}) or bool(files[path])
    noted.append(state if is_same else _UNKNOWN)
  return ''.join(noted)


def num_changed(before: Any, now: str) -> int:
  """Returns how many files have another state than they had, or one that nobody can tell."""
  if not isinstance(before, str) or len(before) != len(now):
    return max(1, len(now) // _CHARS)
  if before == now and _UNKNOWN not in now:
    return 0
  places = range(0, len(now), _CHARS)
  pairs = ((before[place : place + _CHARS], now[place : place + _CHARS]) for place in places)
  return sum(one != other or one == _UNKNOWN for one, other in pairs)


def may_pass(rejected: Iterable[rejects.Reject]) -> bool:
  """Whether a clip was rejected for what may be over, though its file is as it was."""
  return any(reject.reason in _PASSING for reject in rejected)


def _digest(state: str) -> str:
  """Returns a state in eight characters."""
  if not state:
    return _UNKNOWN
  return base64.b64encode(hashlib.blake2b(state.encode(), digest_size=6).digest()).decode()


def _state(path: str) -> str:
  """Returns size and time of change; `missing`, or '' where nobody can tell."""
  try:
    return storage.storage_of(path).state(path)
  except (FileNotFoundError, NotADirectoryError):
    return 'missing'
  except (OSError, ValueError):
    return ''
