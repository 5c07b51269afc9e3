"""How many clips there are: by label, split and speaker. Grows with speakers, not with clips."""

import collections
import dataclasses

from schemas import splits


@dataclasses.dataclass
class Census:
  """Counts of clips.

  Attributes:
    clips: Number of clips by (label, split, speaker); the split is '' where none is decided.
    num_copies: How many of them are augmented or repeated copies of others.
  """

  clips: collections.Counter[tuple[str, str, str]] = dataclasses.field(
    default_factory=collections.Counter
  )
  num_copies: int = 0

  def add(self, *, label: str, split: str, speaker: str, is_copy: bool = False) -> None:
    """Counts one clip."""
    self.clips[label, split, speaker] += 1
    self.num_copies += is_copy

  def discard(self, *, label: str, split: str, speaker: str) -> None:
    """Takes one clip out again, which turned out to be unusable."""
    self.clips[label, split, speaker] -= 1
    if not self.clips[label, split, speaker]:
      del self.clips[label, split, speaker]

  @property
  def num_clips(self) -> int:
    """All clips."""
    return sum(self.clips.values())

  @property
  def num_originals(self) -> int:
    """All clips but the copies."""
    return self.num_clips - self.num_copies

  def by_label(self) -> dict[str, int]:
    """Clips of every label, the most frequent first, equals by name."""
    return self._ranked(0)

  def by_speaker(self) -> dict[str, int]:
    """Clips of every speaker, the largest first, equals by name."""
    return self._ranked(2)

  def by_split(self) -> dict[str, int]:
    """Clips of every split that has some, in the order train, validation, test, none."""
    counts = self._ranked(1)
    return {split: counts[split] for split in (*splits.SPLITS, '') if split in counts}

  def splits_by_label(self) -> dict[str, dict[str, int]]:
    """Clips of every label by split, those splits included that have none of it."""
    cells = {label: dict.fromkeys(self.by_split(), 0) for label in self.by_label()}
    for (label, split, _), count in self.clips.items():
      cells[label][split] += count
    return cells

  def speakers_by_label(self) -> dict[str, int]:
    """How many speakers say each label."""
    return self._distinct(0)

  def speakers_by_split(self) -> dict[str, int]:
    """How many speakers there are in each split."""
    return self._distinct(1)

  @property
  def every_clip_its_own_speaker(self) -> bool:
    """Whether nothing is known of who speaks, which sources write so."""
    return self.num_originals > 1 and len(self.by_speaker()) == self.num_originals

  def shared_speakers(self) -> list[str]:
    """Speakers that are in more than one split, sorted."""
    found: dict[str, set[str]] = collections.defaultdict(set)
    for _, split, speaker in self.clips:
      found[speaker].add(split)
    return sorted(speaker for speaker, where in found.items() if len(where) > 1)

  def _ranked(self, place: int) -> dict[str, int]:
    counts: collections.Counter[str] = collections.Counter()
    for key, count in self.clips.items():
      counts[key[place]] += count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

  def _distinct(self, place: int) -> dict[str, int]:
    found: dict[str, set[str]] = collections.defaultdict(set)
    for key in self.clips:
      found[key[place]].add(key[2])
    return {name: len(speakers) for name, speakers in found.items()}
