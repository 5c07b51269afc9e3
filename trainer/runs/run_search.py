"""Looks for run folders below a folder. Nothing in them is read."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterator

from trainer.runs import cv_folder, run_folder

# What a run keeps in folders of its own: there are no runs in there.
_NAMES = run_folder.RunFolder('')  # Of the files in one.
_PARTS = (
  _NAMES.checkpoints_dir,
  _NAMES.logs_dir,
  _NAMES.graphs_dir,
  _NAMES.judged_dir,
  cv_folder.CvFolder('').data_dir,
)


@dataclasses.dataclass(frozen=True)
class Found:
  """A folder that holds a run, or what is left of one.

  Attributes:
    path: The folder.
    folds: Folders of the runs that it has in it as folds, by name.
  """

  path: str
  folds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Unreadable:
  """A folder that could not be looked into.

  Attributes:
    path: The folder.
    reason: What the file system says.
  """

  path: str
  reason: str


def search(folder: str) -> Iterator[Found | Unreadable]:
  """Yields every run in a folder or below, and every folder there that cannot be read.

  Links are followed when all folders are done, so that a run has its own name and not that of a
  link to it; each folder is visited once: links that lead in a circle end. The order is that of
  names; folders of folds come only as such, with the run that they are of.
  """
  seen: set[tuple[int, int]] = set()
  folders, links = [folder], collections.deque[str]()
  while folders or links:
    path = folders.pop() if folders else links.popleft()
    try:
      status = os.stat(path)
      place = status.st_dev, status.st_ino
      if place in seen:
        continue
      seen.add(place)
      with os.scandir(path) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
      continue  # Removed meanwhile.
    except OSError as error:
      yield Unreadable(path, error.strerror or str(error))
      continue
    is_run = _is_run({entry.name for entry in inside})
    below = [entry for entry in inside if _may_hold_runs(entry, is_of_run=is_run)]
    if is_run:
      folds = [entry for entry in below if entry.name.startswith(cv_folder.FOLD_PREFIX)]
      yield Found(path, tuple(entry.path for entry in folds))
      below = [entry for entry in below if entry not in folds]
    folders += [entry.path for entry in reversed(below) if not entry.is_symlink()]
    links += [entry.path for entry in below if entry.is_symlink()]


def _is_run(names: set[str]) -> bool:
  """Whether a folder with these names in it is one of a run."""
  if _NAMES.config_file in names:
    return True
  # One that lost config.json still is a run; a data set has a manifest too, and no checkpoints.
  return _NAMES.checkpoints_dir in names and bool(
    {_NAMES.manifest_file, _NAMES.history_file} & names
  )


def _may_hold_runs(entry: os.DirEntry[str], *, is_of_run: bool) -> bool:
  if entry.name.startswith('.') or (is_of_run and entry.name in _PARTS):
    return False
  try:
    return entry.is_dir()
  except OSError:
    return False  # A link to itself. What may not be read is found out by listing it.
