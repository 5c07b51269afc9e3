"""Whether what visitors keep may go to a folder, before the page is served: nothing is mixed."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Sequence

from exports import export_file
from schemas import errors, naming
from trainer.app import kept_clips
from trainer.export import opened
from trainer.runs import run_folder, saved_run


def check(folder: str, models: Sequence[str]) -> None:
  """Raises ConfigError for a folder that is, or lies in, another thing; nothing is touched.

  It is missing, empty, or one in which clips were kept before. Whatever else would come to hold
  clips that nobody looks for there: a run, a data set, an export, or the corpus, which the next
  data job would read with them.

  Args:
    folder: Of --keep.
    models: The folders of runs and exports that are asked.
  """
  place = os.path.realpath(folder)
  corpora = [os.path.realpath(path) for path in map(_corpus, models) if path]
  for outer in (place, *map(str, pathlib.PurePath(place).parents)):
    what = _kind(outer) or ('the corpus of the training' if outer in corpora else '')
    if what:
      where = f'is {what}' if outer == place else f'lies in {what}, {outer!r}'
      raise errors.ConfigError(
        f'--keep={folder} {where}: clips that are kept would be mixed with it. Name a new or empty '
        'folder.'
      )
  names = sorted(os.listdir(place)) if os.path.isdir(place) else []
  if names and kept_clips.TABLE not in names:
    raise errors.ConfigError(
      f'--keep={folder} holds something else ({names[0]!r}, ...) and no {kept_clips.TABLE}: clips '
      'that are kept would be mixed with it. Name a new or empty folder.'
    )


def _kind(folder: str) -> str:
  """Returns what of ours a folder is; '' for anything else."""
  with contextlib.suppress(errors.ConfigError):
    if 'manifest_sha256' in run_folder.RunFolder(folder).read_config():
      return 'a run'
  if opened.is_export(folder) and os.path.isfile(os.path.join(folder, export_file.LABELS)):
    return 'an export'
  if os.path.isfile(os.path.join(folder, naming.MANIFEST)):
    if any(map(naming.is_shard_name, os.listdir(folder))):
      return 'a data set'
  return ''


def _corpus(model: str) -> str:
  """Returns the folder of the recordings that a run learned from; '' where nobody knows."""
  if opened.is_export(model):
    return ''
  place = str(saved_run.load(model).manifest.config.get('input') or '')
  return place if os.path.isdir(place) else ''
