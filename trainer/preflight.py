"""What can be refused before TensorFlow is imported, which takes seconds."""

import os

import features
from schemas import errors, splits
from trainer import config as config_lib
from trainer import models, resume
from trainer.augment import chain
from trainer.data import datasets, named_data, service_address
from trainer.data.raw import files
from trainer.devices import meeting
from trainer.devices.strategies import multi_worker
from trainer.learning import teacher as teacher_lib
from trainer.runs import origin, run_folder


def check(config: config_lib.TrainConfig) -> tuple[datasets.Data, resume.Start]:
  """Returns the data set that the config names, and how the run begins.

  Raises:
    DatasetError: if it is missing, is not what its manifest says, or cannot teach anything.
    ConfigError: if the run folder may not be used, or the data set does not give what is computed
      or changed.
  """
  data = datasets.load(
    config.data,
    feature_name=config.feature,
    compute=config.compute,
    sample_rate_hz=config.sample_rate_hz,
    clip_s=config.clip_seconds,
    unknown_labels=config.unknown_labels,
    seed=config.seed,
  )
  if config.random_data:  # It reads no records.
    data = datasets.train_only(data)
  else:
    named_data.check_shards(data.path, data.manifest)
  if config.data_service:
    if files.is_raw(config.data):
      raise errors.ConfigError(
        '--data_service reads the shards of a data set; raw files are read by the trainer itself. '
        'Leave the service away, or run the data job.'
      )
    service_address.check_answers(config.data_service)
  augmented = chain.Chain(config.augment)
  augmented.check(data.feature, data.computed)
  augmented.with_recordings(data.manifest.audio)
  _check_parts(config, data)
  if config.teacher:
    teacher_lib.find(config.teacher, data)
  if config.jit_compile and data.feature.is_variable and data.feature.name not in features.FEATURES:
    raise errors.ConfigError(
      f'--jit_compile compiles for the lengths of clips, and nobody tells those of '
      f'{data.feature.name!r}. Leave --jit_compile away.'
    )
  start = resume.decide(config, data)
  if config.init_from and start in (resume.Start.NEW, resume.Start.ANEW):
    source = origin.find(config.init_from)
    origin.check_model(source, *models.parse(config.model))
    origin.check_feature(source, data.computed or data.feature, data.manifest.audio)
  return data, start


def _check_parts(config: config_lib.TrainConfig, data: datasets.Data) -> None:
  """Refuses steps of which whole parts would be what the same step has had before; ConfigError."""
  num_records = data.manifest.num_records(splits.TRAIN)
  most = max(1, -(-num_records // config.batch_size))
  if config.accumulate > most:
    raise errors.ConfigError(
      f'--accumulate={config.accumulate} with --batch_size={config.batch_size} makes steps of '
      f'{config.step_examples:,} examples, but the train split of {data.path!r} has '
      f'{num_records:,}: the same would come again and again in one step. Write '
      f'--accumulate={most} or less.'
    )


def check_together(config: config_lib.TrainConfig) -> tuple[datasets.Data, resume.Start]:
  """Returns the same when all workers are there and mean the same; waits for them.

  Raises:
    DatasetError, ConfigError: as `check`, and if another worker refuses.
  """
  if not resume.is_shared(config):
    return check(config)
  with meeting.refusals_told(True):
    data, start = check(config)
  meant = {
    **resume.binding_flags(config),
    'find_learning_rate': config.find_learning_rate,
    'the digest of --data': data.digest,
    'the digest of --teacher': teacher_lib.digest(config.teacher),
    'the digest of what --augment reads': resume.recordings_digest(config, data),
  }
  return data, resume.Start(meeting.hold(multi_worker.task(os.environ), start.value, meant))


def is_unjudged(config: config_lib.TrainConfig, data: datasets.Data) -> bool:
  """Whether a finished run was trained with --notest, and is asked for its report now."""
  folder = run_folder.RunFolder(config.run_dir)
  return (
    config.test
    and data.has_test
    and not resume.is_shared(config)
    and not os.path.exists(folder.judgement.report_file)
    and os.path.exists(folder.checkpoint_file(run_folder.BEST))
  )


def say_finished(config: config_lib.TrainConfig) -> None:
  """Prints that nothing is left to be done; of several workers the chief does."""
  if not resume.is_another_worker(config):
    print(resume.finished_sentence(config.run_dir), flush=True)
