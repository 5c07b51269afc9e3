"""How long clips are before they are cut to one length: a few kB, however many clips there are."""

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from schemas import json_form

# Bins of the histogram to a factor of two: a bin is at most 1.6 % wide. Their borders are exact in
# binary, so that no processor puts a clip into another one.
_BINS_PER_OCTAVE = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Durations:
  """Lengths of clips, each clip once, whatever copies are made of it; those of two shards add up.

  Attributes:
    num_clips: Clips.
    num_cut: Those of them that were longer than a clip may be.
    kept_s: Seconds of audio that were kept.
    whole_s: Seconds that there were.
    counts: Clips by bin of their whole length; see `bin_of`.
  """

  num_clips: int = 0
  num_cut: int = 0
  kept_s: float = 0.0
  whole_s: float = 0.0
  counts: Mapping[int, int] = dataclasses.field(default_factory=dict)

  def length_s(self, share: float) -> float:
    """Returns a length that at least this share of the clips does not exceed; 0 without clips."""
    seen = 0
    for number in sorted(self.counts):
      seen += self.counts[number]
      if seen >= share * self.num_clips:
        return upper_s(number)
    return 0.0

  def to_json(self) -> dict[str, Any]:
    """Returns plain values."""
    return {**vars(self), 'counts': [list(item) for item in sorted(self.counts.items())]}

  @classmethod
  def from_json(cls, value: Any, *, where: str) -> 'Durations':
    """Reads what to_json wrote."""
    obj = json_form.Reader(value, where)
    return cls(
      num_clips=obj.integer('num_clips'),
      num_cut=obj.integer('num_cut'),
      kept_s=obj.number('kept_s'),
      whole_s=obj.number('whole_s'),
      counts={int(number): int(count) for number, count in obj.items('counts')},
    )


class Counter:
  """Counts the clips of one shard."""

  def __init__(self, sample_rate_hz: int) -> None:
    """Takes the rate at which lengths are given."""
    self._sample_rate_hz = sample_rate_hz
    self._counts: collections.Counter[int] = collections.Counter()
    # In samples, so that nothing depends on the order of the clips.
    self._num_cut = self._kept = self._whole = 0

  def add(self, kept_samples: int, whole_samples: int) -> None:
    """Counts a clip, of whose samples so many were kept."""
    self._counts[bin_of(whole_samples / self._sample_rate_hz)] += 1
    self._num_cut += kept_samples < whole_samples
    self._kept += kept_samples
    self._whole += whole_samples

  def durations(self) -> Durations:
    """Returns what was counted."""
    return Durations(
      num_clips=self._counts.total(),
      num_cut=self._num_cut,
      kept_s=self._kept / self._sample_rate_hz,
      whole_s=self._whole / self._sample_rate_hz,
      counts=dict(sorted(self._counts.items())),
    )


def merged(parts: Iterable[Durations]) -> Durations:
  """Returns all together; sums are exact, and so do not depend on the order."""
  kept = list(parts)
  counts: collections.Counter[int] = collections.Counter()
  for part in kept:
    counts.update(part.counts)
  return Durations(
    num_clips=sum(part.num_clips for part in kept),
    num_cut=sum(part.num_cut for part in kept),
    kept_s=math.fsum(part.kept_s for part in kept),
    whole_s=math.fsum(part.whole_s for part in kept),
    counts=dict(sorted(counts.items())),
  )


def bin_of(seconds: float) -> int:
  """Returns the number of the bin of a length: the wider, the longer."""
  if seconds <= 0:
    return -(1 << 20)
  mantissa, exponent = math.frexp(
    seconds
  )  # seconds = mantissa * 2 ** exponent, 0.5 <= mantissa < 1
  inside = (mantissa - 0.5) * 2 * _BINS_PER_OCTAVE
  # A border belongs to the bin below it: clips are often of one round length.
  return exponent * _BINS_PER_OCTAVE + math.ceil(inside) - 1


def upper_s(number: int) -> float:
  """Returns the largest length in a bin."""
  exponent, inside = divmod(number + 1, _BINS_PER_OCTAVE)
  return math.ldexp(0.5 + inside / (2 * _BINS_PER_OCTAVE), exponent)
