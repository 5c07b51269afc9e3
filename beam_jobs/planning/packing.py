"""Packs speakers into shards: balanced, deterministic, a speaker in as few shards as can be."""

import array
import bisect
import dataclasses
import heapq
import math
from collections.abc import Mapping

import numpy as np

from schemas import stable_hash


@dataclasses.dataclass(frozen=True)
class Place:
  """Where the clips of a speaker go: `count` shards next to one another, from `first` on."""

  first: int
  count: int = 1

  def shard_of(self, utterance_id: str) -> int:
    """Returns the shard of one clip; a speaker in several shards is cut by a hash of the clip."""
    if self.count == 1:
      return self.first
    return self.first + int(stable_hash.unit_interval(utterance_id, salt='piece') * self.count)


class Places:
  """The place of every speaker of every split, for lookup only.

  It goes to all workers, and a corpus without speakers has one for every clip: so names are not
  kept, but hashes of theirs, 10 bytes a speaker in all. Two speakers with the same hash, which one
  corpus of a million in ten million has, share a place; that does no harm.
  """

  def __init__(self, places: Mapping[tuple[str, str], Place]) -> None:
    """Takes the places by (split, speaker)."""
    hashes = np.fromiter((_place_hash(*key) for key in places), np.uint64, len(places))
    order = np.argsort(hashes, kind='stable')
    first = np.fromiter((place.first for place in places.values()), np.int64, len(places))[order]
    counts = np.fromiter((place.count for place in places.values()), np.int64, len(places))[order]
    self._hashes = array.array('Q', hashes[order].tobytes())
    typecode = 'H' if not len(first) or first.max() < 1 << 16 else 'I'
    self._first = array.array(typecode, first.astype(typecode).tobytes())
    self._counts = {int(index): int(counts[index]) for index in np.flatnonzero(counts != 1)}

  def get(self, split: str, speaker: str) -> Place | None:
    """Returns the place of a speaker's clips in a split; None if none of them is taken."""
    wanted = _place_hash(split, speaker)
    index = bisect.bisect_left(self._hashes, wanted)
    if index == len(self._hashes) or self._hashes[index] != wanted:
      return None
    return Place(self._first[index], self._counts.get(index, 1))


def _place_hash(split: str, speaker: str) -> int:
  return int.from_bytes(stable_hash.digest(speaker, salt=f'place{split}'), 'big')


def num_shards(num_clips: int, *, max_clips: int, min_shards: int, enough_clips: int = 32) -> int:
  """Returns how many shards a split gets.

  Args:
    num_clips: Clips of the split.
    max_clips: Clips that a shard should hold at most.
    min_shards: As many shards where each would still hold `enough_clips`, so that a small set runs
      in parallel too.
    enough_clips: Below this, opening a file costs more than the parallel work saves.
  """
  by_size = math.ceil(num_clips / max_clips)
  by_parallelism = min(min_shards, num_clips // enough_clips)
  return max(1, by_size, by_parallelism)


def pack(clips_by_speaker: Mapping[str, int], *, shards: int) -> tuple[dict[str, Place], int]:
  """Returns every speaker's place, and the number of shards in use.

  A speaker larger than an even share is cut into the fewest pieces no larger than the share; its
  pieces go to shards of their own, next to one another. All others go, largest first, to the shard
  that holds least so far (longest processing time first: within 4/3 of the best packing; Graham,
  Bounds on Multiprocessing Timing Anomalies, 1969, theorem 2).

  Args:
    clips_by_speaker: Clips of each speaker of one split.
    shards: Shards wanted. Large speakers may need some more; empty ones are left out.
  """
  share = max(1, math.ceil(sum(clips_by_speaker.values()) / shards))
  by_size = sorted(clips_by_speaker, key=lambda name: (-clips_by_speaker[name], name))
  places: dict[str, Place] = {}
  loads: list[tuple[int, int]] = []
  used = 0
  for speaker in (name for name in by_size if clips_by_speaker[name] > share):
    clips = clips_by_speaker[speaker]
    pieces = math.ceil(clips / share)
    places[speaker] = Place(used, pieces)
    loads += [(math.ceil(clips / pieces), used + i) for i in range(pieces)]
    used += pieces
  small = [name for name in by_size if name not in places]
  fresh = min(max(0, shards - used), len(small))
  loads += [(0, used + i) for i in range(fresh)]
  used += fresh
  heapq.heapify(loads)
  for speaker in small:
    load, index = heapq.heappop(loads)
    places[speaker] = Place(index)
    heapq.heappush(loads, (load + clips_by_speaker[speaker], index))
  return places, used
