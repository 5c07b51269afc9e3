"""The files that a prediction is asked for: those that are named, and those in folders that are."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator, Mapping, Sequence

from schemas import errors
from schemas import medium as media

_MOST_NAMES = 3


def listed(named: Sequence[str], medium: str) -> tuple[tuple[str, ...], list[str]]:
  """Returns the files to predict, and sentences on what is passed by in folders.

  A file that is named is taken whatever its ending. A folder stands for the files in it and below
  whose endings are known, by their paths; hidden ones are not looked at, as by the data job.

  Args:
    named: Files and folders, in their order.
    medium: One of schemas.medium's, of the model.

  Raises:
    ConfigError: if there is nothing to read in the one folder that is named.
  """
  files: list[str] = []
  sentences: list[str] = []
  for path in named:
    if not os.path.isdir(path):
      files.append(path)
      continue
    wanted, passed = _found(path, media.SUFFIXES[medium])
    told = '; '.join(_told(ending, names) for ending, names in passed.items())
    if not wanted:
      nothing = f'The folder {path!r} holds nothing to predict: ' + (
        f'no name ends in one of {", ".join(media.SUFFIXES[medium])}. There are: {told}. '
        'A file that is named itself is tried whatever its ending.'
        if told
        else 'there is no file in it. Name files, or a folder of them.'
      )
      if len(named) == 1:
        raise errors.ConfigError(nothing)
      sentences.append(nothing)
      wanted = [path]  # Which cannot be used, and is counted as that.
    elif told:
      sentences.append(
        f'In {path!r} {len(wanted):,} files are read, and passed by for their endings: {told}.'
      )
    files += wanted
  return tuple(files), sentences


def _found(folder: str, endings: tuple[str, ...]) -> tuple[list[str], Mapping[str, list[str]]]:
  """Returns the files of known endings by path, and the others by ending."""
  wanted, passed = [], collections.defaultdict(list)
  for path in sorted(_walked(folder)):
    if path.lower().endswith(endings):
      wanted.append(path)
    else:
      passed[os.path.splitext(path)[1].lower()].append(path)
  return wanted, dict(sorted(passed.items()))


def _walked(folder: str) -> Iterator[str]:
  """Yields all files; links to folders are followed, and each folder is looked into once."""
  seen: set[tuple[int, int]] = set()
  for here, folders, names in os.walk(folder, followlinks=True):
    found = os.stat(here)
    if (found.st_dev, found.st_ino) in seen:
      folders.clear()
      continue
    seen.add((found.st_dev, found.st_ino))
    folders[:] = sorted(name for name in folders if _is_visible(name))
    yield from (os.path.join(here, name) for name in names if _is_visible(name))


def _is_visible(name: str) -> bool:
  return not name.startswith('.') and name not in media.NOT_OURS


def _told(ending: str, names: Sequence[str]) -> str:
  """Returns such as `2 .txt (a.txt, b.txt)`."""
  shown = errors.some([*map(os.path.basename, names)], _MOST_NAMES)
  return f'{len(names):,} {ending or "without an ending"} ({shown})'
