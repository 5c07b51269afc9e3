"""Folders that are named like splits: `train`, `dev`, `test`."""

import bisect
from collections.abc import Iterator, Sequence

from beam_jobs.sources import corpus as corpus_lib
from schemas import errors, splits


def check(corpus: corpus_lib.Corpus, paths: Sequence[str], *, level: int, remedy: str) -> None:
  """Refuses a corpus whose folders of a level are all named like splits, two of them at least.

  They would be labels, or their clips would be split anew: a data set that was not asked for.

  Args:
    corpus: Where they are.
    paths: All clips, sorted.
    level: Which folder of the paths; 0 is the first.
    remedy: What to do, a sentence.

  Raises:
    SourceError: with their names.
  """
  names = set()
  for name in names_at(paths, level):
    # Nearly always the first one ends it.
    if not splits.is_name(name):
      return
    names.add(name)
  if len({name.lower() for name in names}) > 1:
    raise errors.SourceError(
      f'The folders {", ".join(sorted(names))} below {corpus.folder} are all named like splits. '
      f'{remedy}'
    )


def names_at(paths: Sequence[str], level: int) -> Iterator[str]:
  """Yields the names of the folders of a level, each once for every folder it stands in.

  Args:
    paths: Sorted, so that the files of a folder are stepped over together.
    level: Which folder of the paths; 0 is the first.
  """
  place = 0
  while place < len(paths):
    if paths[place].count('/') <= level:
      place += 1
      continue
    parts = paths[place].split('/', level + 1)
    yield parts[level]
    # What stands behind `yes/` and all that begins with it.
    behind = '/'.join(parts[: level + 1]) + chr(ord('/') + 1)
    place = bisect.bisect_left(paths, behind, place + 1)
