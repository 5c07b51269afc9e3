"""The job's folder before it begins: taken over, begun anew, or refused."""

from beam_jobs import config as config_lib
from beam_jobs.planning import plan as plan_lib
from schemas import errors, naming
from tfrecords import storage
from tfrecords.finishing import lock, notes
from tfrecords.finishing import unfinished as unfinished_lib

_SETTINGS = 'settings.json'
# How the shards of the last run came to be.
TAKEN_OVER = 'taken_over.json'


def unfinished(config: config_lib.FeaturizeConfig) -> unfinished_lib.Unfinished:
  """Returns the data set that a job makes."""
  return unfinished_lib.Unfinished(config.output, storage.storage_of(config.output))


def prepare(config: config_lib.FeaturizeConfig) -> None:
  """Makes the output folder and notes whose it is; refuses one with another configuration's work.

  With --overwrite all that this program made there is removed, whatever its settings; without it,
  what a job has left that failed before it wrote a record. To be called by who holds the output:
  what killed processes left half-written is removed.

  Raises:
    ConfigError: with the settings that differ, or if the folder holds foreign files.
    DatasetError: if the storage refuses.
  """
  dataset = unfinished(config)
  try:
    dataset.files.make_dirs(config.output)
    present = [name for name in dataset.files.list_dir(config.output) if name != lock.FILE]
  except OSError as error:
    raise errors.ConfigError(
      f'--output={config.output!r} cannot be used as a folder: {error.strerror or error}.'
    ) from error
  earlier = dataset.notes.read(_SETTINGS)
  is_ours = earlier == config.to_json() and not config.overwrite
  if not is_ours:
    _make_way(config, dataset, earlier, present)
  dataset.remove_leftovers()
  if not is_ours:
    dataset.notes.make_folder()
    dataset.notes.write(_SETTINGS, config.to_json())


def _make_way(
  config: config_lib.FeaturizeConfig,
  dataset: unfinished_lib.Unfinished,
  earlier: dict[str, object] | None,
  present: list[str],
) -> None:
  """Removes what is in the way, where that is wanted."""
  foreign = [name for name in present if not unfinished_lib.is_ours(name)]
  if earlier is None and foreign:
    raise errors.ConfigError(
      f'--output={config.output!r} is not empty and was not made by this program (it holds '
      f'{foreign[0]!r}). Choose another folder.'
    )
  if config.overwrite or (earlier is not None and not _holds_records(dataset)):
    dataset.remove_all([name for name in present if name not in foreign])
  elif earlier is not None or any(map(_is_of_use, present)):
    difference = _differences(earlier, config.to_json()) if earlier else 'its settings are unknown'
    raise errors.ConfigError(
      f'--output={config.output!r} holds a data set of other settings: {difference}. Choose '
      'another --output, or throw the old one away with --overwrite.'
    )


def check_room(config: config_lib.FeaturizeConfig, plan: plan_lib.Plan) -> None:
  """Refuses a job for which the disk has no room, where records are of one size.

  Raises:
    DatasetError: with what is needed and what is free.
  """
  if all(spec.num_bytes is not None for spec in config.features):
    num_bytes = sum(plan.num_records.values()) * config.record_bytes
    unfinished(config).check_room(plan.file_names(config), num_bytes)


def _holds_records(dataset: unfinished_lib.Unfinished) -> bool:
  """Whether a job has come so far that there is something to be lost: else another may begin."""
  sizes = dataset.files.sizes(dataset.folder)
  return any(
    name == naming.MANIFEST or (size and naming.is_shard_name(name)) for name, size in sizes.items()
  )


def _is_of_use(name: str) -> bool:
  """Whether a file of ours is more than what a job leaves that was killed as it began."""
  return name != notes.FOLDER and storage.TEMPORARY_MARK not in name


def _differences(old: dict[str, object], new: dict[str, object]) -> str:
  found = []
  for key in sorted({*old, *new}):
    before, now = old.get(key), new.get(key)
    if isinstance(before, dict) and isinstance(now, dict) and before != now:
      found.append(f'{key}: {_differences(before, now)}')
    elif before != now:
      found.append(f'{key} was {before!r}, now {now!r}')
  return '; '.join(found)
