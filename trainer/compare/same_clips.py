"""Reads what several runs said of the same clips, and lines their answers up by the clips' ids.

Memory grows with the clips: 16 bytes a clip for each run, and 80 more while it is read, so that
three runs of 1,000,000 clips take 200 MB; the names of the speakers come on top.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import errors
from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader

# Clips are told apart by so many bytes of a digest of their id: two of one digest are as good as
# impossible.
_DIGEST_BYTES = 16
_REMEDY = (
  'Judge all of them on one data set (python -m trainer.evaluate --run_dir=RUN --data=DIR), and '
  'compare what lies in the folders that it names.'
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
  """What a run said, in the order of SameClips.

  Attributes:
    header: Of its predictions.
    answers: Indices of labels, int32 [clips].
    confidences: The probability that it gives each answer, float32 [clips].
  """

  header: header_lib.Header
  answers: NDArray[np.int32]
  confidences: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SameClips:
  """The clips that all runs were judged on, in an order that depends on their ids alone.

  Attributes:
    label_names: By index.
    labels: Indices of the true labels, int32 [clips].
    speaker_names: In their order.
    speakers: Indices of the speakers, int32 [clips].
    runs: What each said.
    other_speakers: How many clips are said to be of another speaker by a run than by the first.
  """

  label_names: tuple[str, ...]
  labels: NDArray[np.int32]
  speaker_names: tuple[str, ...]
  speakers: NDArray[np.int32]
  runs: tuple[Answers, ...]
  other_speakers: int
  _reader: parquet_reader.Reader
  _places: NDArray[np.int64]

  def __len__(self) -> int:
    return len(self.labels)

  def ids(self, clips: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Returns the id and the file of clips, for which the file is read once more."""
    wanted = {int(self._places[i]): int(i) for i in clips}
    return {
      wanted[place]: texts
      for place, texts in _texts(self._reader, wanted, (header_lib.ID, header_lib.FILE)).items()
    }


def read(paths: Mapping[str, str]) -> SameClips:
  """Returns what runs said of the same clips.

  Args:
    paths: Their files of predictions, by the names of the runs; at least one.

  Raises:
    ConfigError: if a file is missing or damaged, or they are of different clips or labels.
  """
  first: _Table | None = None
  runs: list[Answers] = []
  speakers: dict[str, int] = {}
  others = num_speakers = 0
  for name, path in paths.items():
    table = _Table(name, path, speakers)
    if first is None:
      first, num_speakers = table, len(speakers)
    else:
      _check_same(first, table)
      others = max(others, int((first.speakers != table.speakers).sum()))
    runs.append(Answers(header=table.header, answers=table.answers, confidences=table.confidences))
  assert first is not None
  names = list(speakers)[:num_speakers]  # The others are in another run alone.
  order = sorted(range(num_speakers), key=lambda i: names[i])
  ranks = np.empty(num_speakers, np.int32)
  ranks[order] = np.arange(num_speakers, dtype=np.int32)
  return SameClips(
    label_names=first.header.labels,
    labels=first.labels,
    speaker_names=tuple(names[i] for i in order),
    speakers=ranks[first.speakers],
    runs=tuple(runs),
    other_speakers=others,
    _reader=first.reader,
    _places=first.places,
  )


class _Table:
  """The columns of a file that a comparison needs, in the order of the digests of ids."""

  def __init__(self, name: str, path: str, speakers: dict[str, int]) -> None:
    """Reads it; `speakers` numbers the names, and is added to."""
    self.name = name
    self.reader = parquet_reader.Reader(path)
    self.header = self.reader.header
    count = self.reader.num_examples
    if not count:
      raise errors.ConfigError(f'{path!r} holds no predictions: there is nothing to compare.')
    digests = np.empty((count, 2), np.uint64)
    numbers = {field: np.empty(count, np.int32) for field in ('labels', 'answers', 'speakers')}
    confidences = np.empty(count, np.float32)
    columns = [
      header_lib.ID, header_lib.SPEAKER, *parquet_reader.logit_columns(self.header)
    ]  # fmt: skip
    start = 0
    for batch in self.reader.batches(columns):
      part = slice(start, start + len(batch))
      digests[part] = _digests(batch.ids)
      numbers['labels'][part] = batch.labels
      numbers['answers'][part] = batch.answers
      numbers['speakers'][part] = [
        speakers.setdefault(speaker, len(speakers)) for speaker in batch.speakers
      ]
      confidences[part] = batch.confidences
      start += len(batch)
    self.places = np.lexsort((digests[:, 1], digests[:, 0]))
    self.digests = digests[self.places]
    self.labels = numbers['labels'][self.places]
    self.answers = numbers['answers'][self.places]
    self.speakers = numbers['speakers'][self.places]
    self.confidences = confidences[self.places]
    self._check_ids()

  def id_of(self, row: int) -> str:
    """Returns the id of a clip."""
    place = int(self.places[row])
    return _texts(self.reader, {place}, (header_lib.ID,))[place][0]

  def _check_ids(self) -> None:
    twice = np.flatnonzero((self.digests[1:] == self.digests[:-1]).all(axis=1))
    if len(twice):
      raise errors.ConfigError(
        f'{self.reader.path!r} has {self.header.counted(len(twice))} more than once, such as '
        f'{self.id_of(twice[0])!r}: nobody can tell which answer counts. Write it again with '
        '`python -m trainer.evaluate`.'
      )


def _check_same(first: _Table, other: _Table) -> None:
  """Raises ConfigError if two files are not of the same clips with the same labels.

  The labels of `other` may be in another order; they are numbered as those of `first` then.
  """
  if not np.array_equal(first.digests, other.digests):
    raise _other_clips(first, other)
  ours, theirs = first.header.labels, other.header.labels
  if ours != theirs:
    if set(ours) != set(theirs):
      raise errors.ConfigError(
        f'{first.name} and {other.name} tell different labels apart: '
        f'{_alone([label for label in ours if label not in set(theirs)], first.name)}, '
        f'{_alone([label for label in theirs if label not in set(ours)], other.name)}. '
        'Compare runs on data with the same labels.'
      )
    numbers = {label: i for i, label in enumerate(ours)}
    renumbered = np.array([numbers[label] for label in theirs], np.int32)
    other.labels, other.answers = renumbered[other.labels], renumbered[other.answers]
  differing = np.flatnonzero(first.labels != other.labels)
  if len(differing):
    row = differing[0]
    raise errors.ConfigError(
      f'{first.header.counted(len(differing), "has", "have")} another true label in '
      f'{other.name} than in {first.name}, such as {first.id_of(row)!r}: '
      f'{ours[first.labels[row]]!r} in {first.name}, {ours[other.labels[row]]!r} in {other.name}. '
      f'One data set was made with other labels. {_REMEDY}'
    )


def _other_clips(first: _Table, other: _Table) -> errors.ConfigError:
  said = []
  for one, against in ((first, other), (other, first)):
    # Half of a digest is enough to say how many.
    missing = np.flatnonzero(~np.isin(one.digests[:, 0], against.digests[:, 0]))
    example = f', such as {one.id_of(missing[0])!r}' if len(missing) else ''
    said.append(f'{one.header.counted(len(missing), "is", "are")} in {one.name} alone{example}')
  return errors.ConfigError(
    f'{first.name} ({_judged(first)}) and {other.name} ({_judged(other)}) were not judged on the '
    f'same clips: {said[0]}; {said[1]}. {_REMEDY}'
  )


def _judged(table: _Table) -> str:
  header = table.header
  return f'{header.split} of {header.dataset}, {header.counted(len(table.labels))}'


def _alone(labels: Sequence[str], name: str) -> str:
  example = f', such as {labels[0]!r}' if labels else ''
  return f'{errors.counted(len(labels), "label", "is", "are")} in {name} alone{example}'


def _digests(ids: Sequence[str]) -> NDArray[np.uint64]:
  joined = b''.join(
    hashlib.blake2b(one.encode('utf-8', 'surrogateescape'), digest_size=_DIGEST_BYTES).digest()
    for one in ids
  )
  return np.frombuffer(joined, '<u8').reshape(-1, 2)


def _texts(
  reader: parquet_reader.Reader, places: Iterable[int], columns: Sequence[str]
) -> dict[int, tuple[str, ...]]:
  """Returns columns of texts of the rows at some places of a file."""
  wanted = np.array(sorted(places), np.int64)
  found: dict[int, tuple[str, ...]] = {}
  if not len(wanted):
    return found
  start = 0
  for batch in reader.batches(list(columns)):
    here = wanted[(wanted >= start) & (wanted < start + len(batch))]
    if len(here):
      texts = [batch.texts(column) for column in columns]
      found.update((int(i), tuple(text[i - start] for text in texts)) for i in here)
    start += len(batch)
  return found
