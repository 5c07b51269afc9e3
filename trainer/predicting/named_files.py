"""The files that a prediction is asked for: those named, those in folders, those of patterns."""

from __future__ import annotations

import collections
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from schemas import errors
from schemas import medium as media

_MOST_NAMES = 3


def listed(named: Sequence[str], medium: str) -> tuple[tuple[str, ...], list[str]]:
  """Returns the files to predict, and sentences on what is passed by.

  A file that is named is taken whatever its ending. A folder stands for the files in it and below
  whose endings are known, by their paths; hidden ones are not looked at, as by the data job. So
  does a pattern, such as `*.wav` or `**/*.flac`, for what it matches, where no file is called so;
  if no ending that it matches is known, for all files.

  Args:
    named: Files, folders and patterns, in their order.
    medium: One of schemas.medium's, of the model.

  Raises:
    ConfigError: if there is nothing to read in the one folder or pattern that is named.
  """
  files: list[str] = []
  sentences: list[str] = []
  for path in named:
    if not (os.path.isdir(path) or _is_pattern(path)):
      files.append(path)
      continue
    wanted, sentence = _expanded(path, media.SUFFIXES[medium])
    if not wanted:
      if len(named) == 1:
        raise errors.ConfigError(sentence)
      wanted = [path]  # Which cannot be used, and is counted as that.
    if sentence:
      sentences.append(sentence)
    files += wanted
  return tuple(files), sentences


def _is_pattern(path: str) -> bool:
  return glob.has_magic(path) and not os.path.lexists(path)


def _expanded(path: str, endings: tuple[str, ...]) -> tuple[list[str], str]:
  """Returns the files that a folder or a pattern stands for, and what is to be said of it."""
  is_folder = os.path.isdir(path)
  found = _walked(path) if is_folder else _matched(path)
  wanted, passed = _sorted_out(found, endings)
  told = '; '.join(_told(ending, names) for ending, names in passed.items())
  if not wanted and not is_folder:
    if not passed:
      return [], f'The pattern {path!r} matches no file. Is it quoted, and the folder right?'
    return sorted(name for names in passed.values() for name in names), ''
  if not wanted:
    nothing = (
      f'no name ends in one of {", ".join(endings)}. There are: {told}. '
      'A file that is named itself is tried whatever its ending.'
      if told
      else 'there is no file in it. Name files, or a folder of them.'
    )
    return [], f'The folder {path!r} holds nothing to predict: {nothing}'
  if told:
    where = f'In {path!r}' if is_folder else f'Of {path!r}'
    return (
      wanted,
      f'{where} {len(wanted):,} files are read, and passed by for their endings: {told}.',
    )
  return wanted, ''


def _sorted_out(
  paths: Iterable[str], endings: tuple[str, ...]
) -> tuple[list[str], Mapping[str, list[str]]]:
  """Returns the files of known endings by path, and the others by ending."""
  wanted, passed = [], collections.defaultdict(list)
  for path in sorted(paths):
    if path.lower().endswith(endings):
      wanted.append(path)
    else:
      passed[os.path.splitext(path)[1].lower()].append(path)
  return wanted, dict(sorted(passed.items()))


def _matched(pattern: str) -> set[str]:
  """Returns the files that a pattern matches, and those in the folders that it matches."""
  found: set[str] = set()
  for path in glob.iglob(pattern, recursive=True):
    if os.path.isdir(path):
      # Of `a/**` all that is below is matched by itself.
      found.update(() if '**' in pattern else _walked(path))
    elif not set(path.split(os.sep)) & set(media.NOT_OURS):
      found.add(path)
  return _each_folder_once(found)


def _each_folder_once(paths: set[str]) -> set[str]:
  """Returns paths without those that lead by links into a folder that another leads to."""
  by_folder: dict[str, str] = {}
  for folder in sorted({os.path.dirname(path) for path in paths}, key=lambda one: (len(one), one)):
    by_folder.setdefault(os.path.realpath(folder), folder)
  shown = set(by_folder.values())
  return {path for path in paths if os.path.dirname(path) in shown}


def _walked(folder: str) -> Iterator[str]:
  """Yields all files; links to folders are followed, and each folder is looked into once."""
  seen: set[tuple[int, int]] = set()
  for here, folders, names in os.walk(folder, followlinks=True):
    found = os.stat(here)
    if (found.st_dev, found.st_ino) in seen:
      folders.clear()
      continue
    seen.add((found.st_dev, found.st_ino))
    folders[:] = sorted(name for name in folders if media.is_visible(name))
    yield from (os.path.join(here, name) for name in names if media.is_visible(name))


def _told(ending: str, names: Sequence[str]) -> str:
  """Returns such as `2 .txt (a.txt, b.txt)`."""
  shown = errors.some([*map(os.path.basename, names)], _MOST_NAMES)
  return f'{len(names):,} {ending or "without an ending"} ({shown})'
