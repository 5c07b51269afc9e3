"""The job's folder before it begins: taken over, begun anew, or refused."""

from beam_jobs import config as config_lib
from beam_jobs.output import claiming
from beam_jobs.planning import plan as plan_lib
from schemas import naming
from tfrecords import storage
from tfrecords.finishing import unfinished as unfinished_lib


def unfinished(config: config_lib.FeaturizeConfig) -> unfinished_lib.Unfinished:
  """Returns the data set that a job makes."""
  return unfinished_lib.Unfinished(config.output, storage.storage_of(config.output))


def prepare(config: config_lib.FeaturizeConfig) -> None:
  """Makes the output folder and notes whose it is; see claiming.claim.

  Raises:
    ConfigError: with the settings that differ, or if the folder holds foreign files.
    DatasetError: if the storage refuses.
  """
  dataset = unfinished(config)
  work = claiming.Work(
    what='a data set',
    folder=dataset.folder,
    files=dataset.files,
    notes=dataset.notes,
    is_ours=unfinished_lib.is_ours,
    holds_work=lambda: _holds_records(dataset),
    remove_leftovers=dataset.remove_leftovers,
    remove_all=dataset.remove_all,
  )
  claiming.claim(work, config.to_json(), overwrite=config.overwrite)


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
