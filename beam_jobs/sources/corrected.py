"""The clips of a corpus as a file of corrections wants them: other labels, and some left out.

This is where every source's labels pass, whatever runs the job; see corrections.py.
"""

import collections
import dataclasses
import heapq
from collections.abc import Iterable, Iterator

from beam_jobs.sources import corrections as corrections_lib
from schemas import errors, rejects, utterance
from tfrecords import storage as storage_lib

Entry = utterance.Utterance | rejects.Reject | rejects.LeftOut | rejects.Noted


def read(path: str) -> corrections_lib.Corrections:
  """Returns what a file says, on a disk or in a bucket; '' is none.

  Raises:
    ConfigError: if it cannot be read, or is no file of corrections.
  """
  if not path:
    return corrections_lib.Corrections()
  try:
    with storage_lib.storage_of(path).open_read(path) as stream:
      content = stream.read(corrections_lib.MAX_BYTES + 1)
  except FileNotFoundError as error:
    raise errors.ConfigError(
      f'--corrections={path}: there is no such file. Name a CSV file with the columns '
      f'{", ".join(corrections_lib.COLUMNS)}.'
    ) from error
  except OSError as error:
    raise errors.ConfigError(
      f'--corrections={path} cannot be read: {error.strerror or error}. Name a CSV file that this '
      'user may read.'
    ) from error
  return corrections_lib.parse(content, where=path)


def applied(entries: Iterable[Entry], corrections: corrections_lib.Corrections) -> Iterator[Entry]:
  """Yields the entries of a corpus, corrected; behind them what was done, counted and named."""
  if not corrections.packed:
    yield from entries
    return
  correcting = _Correcting(corrections)
  for entry in entries:
    if not isinstance(entry, utterance.Utterance):
      yield entry
    elif (clip := correcting.corrected(entry)) is not None:
      yield clip
  yield from correcting.told()


class _Correcting:
  """Corrections at work: what was done is counted, and the first by code point are named."""

  def __init__(self, corrections: corrections_lib.Corrections) -> None:
    self._actions = corrections.by_id()
    self._not_met = set(self._actions)
    self._counts: collections.Counter[str] = collections.Counter()
    self._names: dict[str, list[str]] = collections.defaultdict(list)

  def corrected(self, clip: utterance.Utterance) -> utterance.Utterance | None:
    """Returns the clip as it is to be; None leaves it out."""
    clip_id = clip.utterance_id
    action, label = self._actions.get(clip_id, ('', ''))
    self._not_met.discard(clip_id)
    if action == corrections_lib.LEAVE_OUT:
      self._note('marked_wrong', clip_id)
      return None
    if action != corrections_lib.RELABEL:
      return clip
    if label == clip.label:
      self._note('same_label', clip_id)
      return clip
    self._note('relabelled', f'{clip_id}: {clip.label!r} to {label!r}')
    return dataclasses.replace(clip, label=label)

  def told(self) -> Iterator[Entry]:
    """Yields what is to be said behind the last clip."""
    for clip_id in self._not_met:
      self._note('no_such_clip', clip_id)
    if count := self._counts['marked_wrong']:
      yield rejects.LeftOut(reason='marked_wrong', count=count)
    for reason in sorted(self._names):
      names = tuple(sorted(self._names[reason]))
      yield rejects.Noted(reason=reason, count=self._counts[reason], names=names)

  def _note(self, reason: str, name: str) -> None:
    self._counts[reason] += 1
    self._names[reason] = heapq.nsmallest(rejects.MOST_NAMES, [*self._names[reason], name])
