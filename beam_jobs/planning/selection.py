"""Which clips are taken, and how often: a sample, limits, balance. Decided by hashes and counts.

A clip's place is that of a hash of its id, so that the same clips are taken wherever the job runs,
and a larger limit takes the same clips and more. What decides is two kinds of numbers: hashes up to
which clips are taken, and how often each is repeated. Limits and balance need the hash of every
clip: 8 bytes a clip, in the process that makes the plan.
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from beam_jobs import rules
from schemas import splits, stable_hash

_ALL = 2**64 - 1


def clip_hash(utterance_id: str, seed: int) -> int:
  """Returns the place of a clip among all, from 0 to 2^64 - 1."""
  return int.from_bytes(stable_hash.digest(utterance_id, salt=f'select{seed}')[:8], 'big')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
  """Clips that have speaker and label in common, in one split.

  Attributes:
    speaker: Their speaker.
    label: Their label.
    count: How many.
    hashes: clip_hash of each, in any order; empty where nobody needs them.
  """

  speaker: str
  label: str
  count: int
  hashes: Sequence[int] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
  """The decision for one split.

  Attributes:
    speakers: The speakers that are sampled; None for all.
    speaker_limits: Largest hash that is taken, by speaker; the others have no limit.
    label_limits: The same by label.
    repeats: By label, how often each clip is taken, and up to which hash once more.
    num_records: Records by speaker.
    num_clips: Clips that are taken by label, each once however often it is repeated.
    left_out: Clips by reason, a key of schemas.rejects.LEFT_OUT.
  """

  speakers: frozenset[str] | None = None
  speaker_limits: Mapping[str, int] = dataclasses.field(default_factory=dict)
  label_limits: Mapping[str, int] = dataclasses.field(default_factory=dict)
  repeats: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
  num_records: Mapping[str, int] = dataclasses.field(default_factory=dict)
  num_clips: Mapping[str, int] = dataclasses.field(default_factory=dict)
  left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)

  def times(self, speaker: str, label: str, place: int) -> int:
    """Returns how often a clip whose clip_hash is `place` is taken; 0 leaves it out."""
    if self.speakers is not None and speaker not in self.speakers:
      return 0
    if place > min(self.speaker_limits.get(speaker, _ALL), self.label_limits.get(label, _ALL)):
      return 0
    times, once_more = self.repeats.get(label, (1, -1))
    return times + (place <= once_more)


def select(cells: Sequence[Cell], rule: rules.SelectionRule, *, split: str, seed: int) -> Selection:
  """Returns what is taken of a split.

  Args:
    cells: All clips of the split, with hashes if rule.needs_hashes.
    rule: What is wanted.
    split: Its name; only train is balanced.
    seed: Decides which speakers are sampled.
  """
  speakers = _sampled(cells, rule.sample, seed) if rule.sample < 1 else None
  kept = [cell for cell in cells if speakers is None or cell.speaker in speakers]
  left_out = collections.Counter(
    not_sampled=sum(cell.count for cell in cells) - sum(cell.count for cell in kept)
  )
  if not rule.needs_hashes:
    return Selection(
      speakers=speakers,
      num_records=_counts((cell.speaker, cell.count) for cell in kept),
      num_clips=_counts((cell.label, cell.count) for cell in kept),
      left_out=_positive(left_out),
    )
  clips = _Clips.of(kept)
  speaker_limits = clips.limit(clips.speakers, rule.max_per_speaker)
  left_out['over_speaker_limit'] = clips.num_dropped
  label_limits = clips.limit(clips.labels, rule.max_per_label)
  left_out['over_label_limit'] = clips.num_dropped - left_out['over_speaker_limit']
  repeats: dict[str, tuple[int, int]] = {}
  if split == splits.TRAIN and rule.balance == rules.UNDERSAMPLE:
    before = clips.num_dropped
    label_limits |= clips.limit(clips.labels, min(clips.counts(clips.labels).values(), default=0))
    left_out['undersampled'] = clips.num_dropped - before
  elif split == splits.TRAIN and rule.balance == rules.OVERSAMPLE:
    repeats = clips.repeats(max(clips.counts(clips.labels).values(), default=0))
  return Selection(
    speakers=speakers,
    speaker_limits=speaker_limits,
    label_limits=label_limits,
    repeats=repeats,
    num_records=clips.records_by_speaker(repeats),
    num_clips=clips.counts(clips.labels),
    left_out=_positive(left_out),
  )


def _sampled(cells: Sequence[Cell], share: float, seed: int) -> frozenset[str]:
  """Speakers by the rank of their hash until there are clips enough and all labels are there."""
  clips: collections.Counter[str] = collections.Counter()
  labels_of: dict[str, set[str]] = {}
  for cell in cells:
    clips[cell.speaker] += cell.count
    labels_of.setdefault(cell.speaker, set()).add(cell.label)
  ranked = sorted(
    clips, key=lambda name: (stable_hash.unit_interval(name, salt=f'sample{seed}'), name)
  )
  wanted = share * sum(clips.values())
  missing = set().union(*labels_of.values()) if labels_of else set()
  taken: set[str] = set()
  num_taken = 0
  for speaker in ranked:
    # At the border the speaker is taken that brings the number nearer to what is wanted.
    if not taken or num_taken + clips[speaker] / 2 <= wanted:
      taken.add(speaker)
      num_taken += clips[speaker]
      missing -= labels_of[speaker]
  for speaker in ranked:
    if speaker not in taken and missing & labels_of[speaker]:
      taken.add(speaker)
      missing -= labels_of[speaker]
  return frozenset(taken)


def _counts(items: Iterable[tuple[str, int]]) -> dict[str, int]:
  counts: collections.Counter[str] = collections.Counter()
  for name, count in items:
    counts[name] += count
  return dict(counts)


def _positive(counts: Mapping[str, int]) -> dict[str, int]:
  return {reason: count for reason, count in counts.items() if count}


@dataclasses.dataclass(frozen=True)
class _Names:
  """A column of names: the number of each clip's name, [clips], and the names."""

  numbers: NDArray[np.int64]
  names: tuple[str, ...]


class _Clips:
  """The clips of a split as columns, of which limits drop some."""

  def __init__(self, hashes: NDArray[np.uint64], speakers: _Names, labels: _Names) -> None:
    self.hashes = hashes
    self.speakers = speakers
    self.labels = labels
    self._is_kept = np.ones(len(hashes), bool)

  @classmethod
  def of(cls, cells: Sequence[Cell]) -> '_Clips':
    counts = [len(cell.hashes) for cell in cells]

    def column(values: Sequence[str]) -> _Names:
      names = tuple(sorted(set(values)))
      number_of = {name: number for number, name in enumerate(names)}
      return _Names(np.repeat([number_of[value] for value in values], counts).astype(int), names)

    parts = [np.asarray(cell.hashes, np.uint64) for cell in cells]
    return cls(
      np.concatenate([np.zeros(0, np.uint64), *parts]),
      column([cell.speaker for cell in cells]),
      column([cell.label for cell in cells]),
    )

  @property
  def num_dropped(self) -> int:
    return int(np.count_nonzero(~self._is_kept))

  def counts(self, names: _Names) -> dict[str, int]:
    """Clips that are kept, by name; names without any are left out."""
    counts = np.bincount(names.numbers[self._is_kept], minlength=len(names.names))
    return {name: int(count) for name, count in zip(names.names, counts, strict=True) if count}

  def limit(self, names: _Names, most: int) -> dict[str, int]:
    """Keeps the `most` lowest hashes of each name (0: all); returns the largest kept, by name."""
    if not most:
      return {}
    largest = self._largest_of_first(names, dict.fromkeys(names.names, most))
    bounds = np.array([largest.get(name, _ALL) for name in names.names], np.uint64)
    self._is_kept &= self.hashes <= bounds[names.numbers]
    return largest

  def repeats(self, wanted: int) -> dict[str, tuple[int, int]]:
    """Returns, by label, how often each clip is taken and up to which hash once more."""
    counts = self.counts(self.labels)
    rest = self._largest_of_first(
      self.labels, {label: wanted % count for label, count in counts.items()}
    )
    return {label: (wanted // count, rest.get(label, -1)) for label, count in counts.items()}

  def records_by_speaker(self, repeats: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    times = self._is_kept.astype(np.int64)
    for number, label in enumerate(self.labels.names):
      if label in repeats:
        often, once_more = repeats[label]
        mine = self._is_kept & (self.labels.numbers == number)
        times[mine] = often
        if once_more >= 0:
          times[mine & (self.hashes <= np.uint64(once_more))] += 1
    totals = np.bincount(self.speakers.numbers, times, minlength=len(self.speakers.names))
    names = self.speakers.names
    return {name: int(total) for name, total in zip(names, totals, strict=True) if total}

  def _largest_of_first(self, names: _Names, wanted: Mapping[str, int]) -> dict[str, int]:
    """The largest of the `wanted` lowest kept hashes, for names that have more than these."""
    (kept,) = np.nonzero(self._is_kept)
    order = kept[np.lexsort((self.hashes[kept], names.numbers[kept]))]
    starts = np.searchsorted(names.numbers[order], np.arange(len(names.names) + 1))
    result = {}
    for number, name in enumerate(names.names):
      first, end, most = starts[number], starts[number + 1], wanted.get(name, 0)
      if 0 < most < end - first:
        result[name] = int(self.hashes[order[first + most - 1]])
    return result
