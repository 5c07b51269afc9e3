"""The folder of the data set before the job begins: taken over, begun anew, or refused."""

import shutil
from collections.abc import Sequence

from beam_jobs import config as config_lib
from beam_jobs.output import lock, notes
from schemas import errors, naming
from tfrecords import storage
from tfrecords.storage import buckets


def prepare(config: config_lib.FeaturizeConfig) -> None:
  """Makes the output folder, and refuses one that holds another configuration's work.

  With --overwrite all that this program made there is removed, whatever its settings.

  Raises:
    ConfigError: with the settings that differ, or if the folder holds foreign files.
  """
  files = buckets.storage_of(config.output)
  work = notes.WorkFolder(config.output)
  try:
    files.make_dirs(config.output)
    present = [name for name in files.list_dir(config.output) if name != lock.FILE]
  except OSError as error:
    raise errors.ConfigError(
      f'--output={config.output!r} cannot be used as a folder: {error.strerror or error}.'
    ) from error
  earlier = work.read_settings()
  if earlier == config.to_json() and not config.overwrite:
    return
  foreign = [name for name in present if not notes.is_ours(name)]
  if earlier is None and foreign:
    raise errors.ConfigError(
      f'--output={config.output!r} is not empty and was not made by this program (it holds '
      f'{foreign[0]!r}). Choose another folder.'
    )
  if config.overwrite:
    _remove(config, [name for name in present if notes.is_ours(name)])
  elif earlier is not None or any(map(_is_of_use, present)):
    difference = _differences(earlier, config.to_json()) if earlier else 'its settings are unknown'
    raise errors.ConfigError(
      f'--output={config.output!r} holds a data set of other settings: {difference}. Choose '
      'another --output, or throw the old one away with --overwrite.'
    )


def _is_of_use(name: str) -> bool:
  """Whether a file of ours is more than what a job leaves that was killed as it began."""
  return name != notes.FOLDER and storage.TEMPORARY_MARK not in name


def _remove(config: config_lib.FeaturizeConfig, names: Sequence[str]) -> None:
  """Removes files of the output; the manifest first, so that none speaks for missing shards.

  The settings go last, so that a killed run leaves nothing of unknown settings.
  """
  files = buckets.storage_of(config.output)
  order = {naming.MANIFEST: 0, notes.FOLDER: 2}
  for name in sorted(names, key=lambda name: (order.get(name, 1), name)):
    path = files.join(config.output, name)
    if name == notes.FOLDER and '://' not in path:
      shutil.rmtree(path)
    elif name == notes.FOLDER:
      for note in files.list_dir(path):
        files.remove(files.join(path, note))
    elif files.exists(path):
      files.remove(path)


def _differences(old: dict[str, object], new: dict[str, object]) -> str:
  found = []
  for key in sorted({*old, *new}):
    before, now = old.get(key), new.get(key)
    if isinstance(before, dict) and isinstance(now, dict) and before != now:
      found.append(f'{key}: {_differences(before, now)}')
    elif before != now:
      found.append(f'{key} was {before!r}, now {now!r}')
  return '; '.join(found)
