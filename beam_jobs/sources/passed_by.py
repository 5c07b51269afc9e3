"""What a listing goes past: files that are not read, and folders in which there is no clip."""

import bisect
import collections
import heapq
from collections.abc import Iterator, Sequence

from schemas import medium as media
from schemas import rejects

# Of so many endings counts are kept, and of the rest together.
_MOST_ENDINGS = 1_000
_OTHERS = 'other endings'
# Folders are named down to here: below the corpus, a part of it, a label, a speaker.
_DEPTH = 3


class PassedBy:
  """Counts what is no clip while a corpus is listed.

  Kept are, for each ending, a count and the first names, and the folders of the uppermost levels
  that hold such a file or nothing.
  """

  def __init__(self) -> None:
    self._counts: collections.Counter[str] = collections.Counter()
    self._first: dict[str, list[str]] = {}
    self._folders: set[str] = set()
    self._last = ''

  def file(self, path: str) -> None:
    """Notes a file that is not read, by its path in the corpus."""
    folder, _, name = path.rpartition('/')
    if folder != self._last:
      self._last = folder
      self.folder(folder)
    ending = media.ending_of(name)
    if not ending:
      return
    if ending not in self._counts and len(self._counts) >= _MOST_ENDINGS:
      ending = _OTHERS
    self._counts[ending] += 1
    first = self._first.setdefault(ending, [])
    if len(first) < rejects.MOST_NAMES or path < first[-1]:
      self._first[ending] = heapq.nsmallest(rejects.MOST_NAMES, [*first, path])

  def folder(self, path: str) -> None:
    """Notes a folder that holds such a file, or nothing; '' is the corpus itself."""
    if path:
      self._folders.add('/'.join(path.split('/', _DEPTH)[:_DEPTH]))

  def notes(self, clips: Sequence[str]) -> Iterator[rejects.Noted]:
    """Yields what is to be said.

    Args:
      clips: The paths of all files that are read, sorted.
    """
    for ending, count in sorted(self._counts.items()):
      names = tuple(map(spelled, self._first[ending]))
      yield rejects.Noted(reason='not_read', what=spelled(ending), count=count, names=names)
    empty = sorted(map(spelled, self._without_clips(clips)))
    if empty:
      yield rejects.Noted(
        reason='no_clip_in', count=len(empty), names=tuple(empty[: rejects.MOST_NAMES])
      )

  def _without_clips(self, clips: Sequence[str]) -> set[str]:
    """Returns the highest folders in which there is no clip, at any depth."""
    found = set()
    for folder in self._folders:
      parts = folder.split('/')
      above = ('/'.join(parts[: depth + 1]) for depth in range(len(parts)))
      highest = next((name for name in above if not _has_clip(f'{name}/', clips)), None)
      if highest:
        found.add(highest)
    return found


def spelled(text: str) -> str:
  r"""Returns a text with its bytes that are no UTF-8 spelled as `\xe9`."""
  return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')


def _has_clip(prefix: str, clips: Sequence[str]) -> bool:
  place = bisect.bisect_left(clips, prefix)
  return place < len(clips) and clips[place].startswith(prefix)
