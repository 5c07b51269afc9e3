"""A job's folder before it begins: taken over, begun anew, or refused. Whatever the job makes."""

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

from schemas import errors
from tfrecords import storage
from tfrecords.finishing import lock, notes

# In which note the settings stand, by what is made.
SETTINGS = {'a data set': 'settings.json', 'answers': 'answering.json'}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
  """What a job makes, and how it is told and thrown away.

  Attributes:
    what: A key of SETTINGS.
    folder: Where it is made.
    files: Where that lies.
    notes: What is remembered beside it.
    is_ours: Whether a name in the folder is one that the job gives.
    holds_work: Whether there is something to be lost; else another job may begin.
    remove_leftovers: Removes what killed processes left half-written.
    remove_all: Removes files of these names, and the notes.
  """

  what: str
  folder: str
  files: storage.Storage
  notes: notes.Notes
  is_ours: Callable[[str], bool]
  holds_work: Callable[[], bool]
  remove_leftovers: Callable[[], None]
  remove_all: Callable[[Collection[str]], None]


def claim(work: Work, settings: dict[str, Any], *, overwrite: bool) -> None:
  """Makes the output folder and notes whose it is; refuses one with other work.

  With --overwrite all that such a job made there is removed, whatever its settings; without it,
  what a job has left that failed before it made anything of use. To be called by who holds the
  output: what killed processes left half-written is removed.

  Args:
    work: What is made.
    settings: What decides its bytes, as plain values.
    overwrite: Whether to begin anew.

  Raises:
    ConfigError: with the settings that differ, or if the folder holds foreign files.
    DatasetError: if the storage refuses.
  """
  try:
    work.files.make_dirs(work.folder)
    present = [name for name in work.files.list_dir(work.folder) if name != lock.FILE]
  except OSError as error:
    raise errors.ConfigError(
      f'--output={work.folder!r} cannot be used as a folder: {error.strerror or error}.'
    ) from error
  for what, note in SETTINGS.items():
    if what != work.what and work.notes.read(note) is not None:
      raise errors.ConfigError(
        f'--output={work.folder!r} is where another program makes {what}. Choose another folder.'
      )
  earlier = work.notes.read(SETTINGS[work.what])
  is_same = earlier == settings and not overwrite
  if not is_same:
    _make_way(work, settings, earlier, present, overwrite=overwrite)
  work.remove_leftovers()
  if not is_same:
    work.notes.make_folder()
    work.notes.write(SETTINGS[work.what], settings)


def _make_way(
  work: Work,
  settings: dict[str, Any],
  earlier: dict[str, Any] | None,
  present: list[str],
  *,
  overwrite: bool,
) -> None:
  """Removes what is in the way, where that is wanted."""
  foreign = [name for name in present if not work.is_ours(name)]
  if earlier is None and foreign:
    raise errors.ConfigError(
      f'--output={work.folder!r} is not empty and was not made by this program (it holds '
      f'{foreign[0]!r}). Choose another folder.'
    )
  if overwrite or (earlier is not None and not work.holds_work()):
    work.remove_all([name for name in present if name not in foreign])
  elif earlier is not None or any(map(_is_of_use, present)):
    difference = differences(earlier, settings) if earlier else 'its settings are unknown'
    raise errors.ConfigError(
      f'--output={work.folder!r} holds {work.what} of other settings: {difference}. Choose '
      'another --output, or throw the old away with --overwrite.'
    )


def _is_of_use(name: str) -> bool:
  """Whether a file of ours is more than what a job leaves that was killed as it began."""
  return name != notes.FOLDER and storage.TEMPORARY_MARK not in name


def differences(old: dict[str, Any], new: dict[str, Any]) -> str:
  """Returns in which settings two jobs differ, and how."""
  found = []
  for key in sorted({*old, *new}):
    before, now = old.get(key), new.get(key)
    if isinstance(before, dict) and isinstance(now, dict) and before != now:
      found.append(f'{key}: {differences(before, now)}')
    elif before != now:
      found.append(f'{key} was {before!r}, now {now!r}')
  return '; '.join(found)
