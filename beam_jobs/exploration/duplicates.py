"""The same audio under two names: found, grouped, and what is wrong with it named."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from beam_jobs.exploration import fingerprint

# So many of the most similar clips are compared sample by sample.
_NEIGHBOURS = 5
# Below it the spectra of two clips are too different for one recording. Measured: those of nearly
# all re-encoded takes of the Free Spoken Digit Dataset are above 0.84.
_MIN_COSINE = 0.8
_BLOCK = 512


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
  """One clip by name.

  Attributes:
    clip_id: Its id, unique.
    label: Its label.
    speaker: Who speaks.
    split: Its split; '' where none is decided.
    file: Where a record says that it comes from; '' where it does not say.
    start_us: Where it begins there, in microseconds.
    end_us: Where it ends there.
  """

  clip_id: str
  label: str
  speaker: str
  split: str
  file: str = ''
  start_us: int = 0
  end_us: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Link:
  """Two clips that are the same: with a similarity of 1.0 to the last bit."""

  first: Clip
  second: Clip
  similarity: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
  """Clips that are the same audio.

  Attributes:
    clips: Two or more, by id.
    similarity: The smallest by which they were found; 1.0 where all are equal to the last bit.
  """

  clips: tuple[Clip, ...]
  similarity: float

  @property
  def is_exact(self) -> bool:
    """Whether the samples are equal."""
    return self.similarity == 1.0

  @property
  def splits(self) -> tuple[str, ...]:
    """The splits it is in; more than one is leakage."""
    return tuple(sorted({clip.split for clip in self.clips if clip.split}))

  @property
  def labels(self) -> tuple[str, ...]:
    """The labels it has; more than one is a contradiction."""
    return tuple(sorted({clip.label for clip in self.clips}))

  @property
  def speakers(self) -> tuple[str, ...]:
    """The speakers that are said to speak."""
    return tuple(sorted({clip.speaker for clip in self.clips}))

  @property
  def leaks(self) -> bool:
    """Whether it is in more than one split."""
    return len(self.splits) > 1


def equal(digests: Iterable[tuple[Clip, bytes]]) -> Iterator[Link]:
  """Yields a link from the first clip of every digest to each further one."""
  firsts: dict[bytes, Clip] = {}
  for clip, digest in digests:
    first = firsts.setdefault(digest, clip)
    if first is not clip:
      yield Link(first=first, second=clip)


def alike(prints: Sequence[tuple[Clip, fingerprint.Fingerprint]]) -> Iterator[Link]:
  """Yields a link for every two clips that are one recording: equal, or after a codec or a gain.

  Silent clips are left out: there is nothing that could be the same.
  """
  heard = [(clip, found) for clip, found in prints if not found.is_silent]
  yield from equal((clip, found.digest) for clip, found in heard)
  # Of equal clips one is compared with the others.
  firsts: dict[bytes, tuple[Clip, fingerprint.Fingerprint]] = {}
  for clip, found in heard:
    firsts.setdefault(found.digest, (clip, found))
  different = list(firsts.values())
  for i, j in _candidates([found for _, found in different]):
    (first, one), (second, two) = different[i], different[j]
    if not fingerprint.may_be_equal(one, two):
      continue
    similarity = fingerprint.correlation(one, two)
    if similarity >= fingerprint.ALIKE:
      # Never 1.0, which says that the samples are equal.
      yield Link(first=first, second=second, similarity=min(round(similarity, 3), 0.999))


def groups(links: Iterable[Link]) -> list[Group]:
  """Returns the groups that links make, the worst first: leaks, then contradicting labels."""
  parents: dict[str, str] = {}
  clips: dict[str, Clip] = {}
  kept = list(links)
  for link in kept:
    for clip in (link.first, link.second):
      clips.setdefault(clip.clip_id, clip)
    parents[_root(parents, link.second.clip_id)] = _root(parents, link.first.clip_id)
  members: dict[str, list[Clip]] = collections.defaultdict(list)
  for clip_id in sorted(clips):
    members[_root(parents, clip_id)].append(clips[clip_id])
  similarity: Mapping[str, list[float]] = collections.defaultdict(list)
  for link in kept:
    similarity[_root(parents, link.first.clip_id)].append(link.similarity)
  found = [
    Group(clips=tuple(items), similarity=min(similarity[root])) for root, items in members.items()
  ]
  return sorted(found, key=_badness)


def _badness(group: Group) -> tuple[bool, bool, bool, float, str]:
  return (
    not group.leaks,
    len(group.labels) == 1,
    len(group.speakers) == 1,
    -group.similarity,
    group.clips[0].clip_id,
  )


def _root(parents: dict[str, str], clip_id: str) -> str:
  while (parent := parents.get(clip_id, clip_id)) != clip_id:
    parents[clip_id] = clip_id = parents.get(parent, parent)
  return clip_id


def _candidates(prints: Sequence[fingerprint.Fingerprint]) -> list[tuple[int, int]]:
  """Returns pairs whose spectra are among the nearest to one another, sorted."""
  if len(prints) < 2:
    return []
  spectra = np.stack([found.spectrum for found in prints])
  pairs: set[tuple[int, int]] = set()
  for start in range(0, len(spectra), _BLOCK):
    cosines = spectra[start : start + _BLOCK] @ spectra.T
    rows = np.arange(len(cosines))
    cosines[rows, start + rows] = -1.0
    number = min(_NEIGHBOURS, len(spectra) - 1)
    nearest = np.argpartition(-cosines, number - 1, axis=1)[:, :number]
    for row, column in zip(np.repeat(rows, number), nearest.ravel(), strict=True):
      if cosines[row, column] >= _MIN_COSINE:
        i, j = sorted((int(start + row), int(column)))
        pairs.add((i, j))
  return sorted(pairs)
