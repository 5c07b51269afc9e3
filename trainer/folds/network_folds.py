"""The folds of `python -m trainer`."""

from __future__ import annotations

import dataclasses

from schemas import options
from trainer import config as config_lib
from trainer import models, preflight, resume
from trainer.data import datasets
from trainer.data.raw import files
from trainer.devices import strategies
from trainer.folds import cross_validation, fold_processes
from trainer.learning import teacher as teacher_lib
from trainer.runs import library_versions, run_folder


def train(config: config_lib.TrainConfig) -> None:
  """Trains the folds of a data set, and judges them together.

  Raises:
    DatasetError, RecordError, ConfigError: as cross_validation.train.
  """
  cross_validation.train(job(config))


def of_fold(config: config_lib.TrainConfig) -> config_lib.TrainConfig:
  """Returns the flags of the run of --fold: an ordinary run on a part of the data set."""
  fold_processes.end_with_parent()
  data_dir, run_dir = cross_validation.of_fold(job(config))
  form = {}
  if files.is_raw(config.data):  # The manifest of the fold says it.
    form = {'sample_rate_hz': 0, 'clip_seconds': 0.0, 'compute': config.compute or files.COMPUTE}
  return dataclasses.replace(
    config,
    data=data_dir,
    run_dir=run_dir,
    run_name='',
    folds='',
    fold=None,
    parallel_folds=0,
    **form,
  )


def job(config: config_lib.TrainConfig) -> cross_validation.Job:
  """Returns what is trained, looked up.

  Raises:
    DatasetError, ConfigError: for what can be refused before anything is written.
  """
  plain = dataclasses.replace(
    config, folds='', fold=None, parallel_folds=0, run_dir='', run_name='', resume='auto'
  )
  data, _ = preflight.check(plain)

  def check_same(folder: run_folder.RunFolder, is_finished: bool) -> bool:
    stored = resume.stored_flags(folder)
    return resume.check_same(config, data, folder, stored, is_finished=is_finished)

  name, settings = models.parse(config.model)
  return cross_validation.Job(
    module='trainer',
    config=config,
    data=data,
    model=name,
    said={
      'flags': config.to_json(),
      'command': resume.command_text(config),
      'data_dir': files.absolute(data.path),
      'dataset': data.manifest.name,
      'manifest_sha256': data.digest,
      'teacher_sha256': teacher_lib.digest(config.teacher),
      'recordings_sha256': resume.recordings_digest(config, data),
      'feature': data.feature.to_json(),
      'computed': data.computed.to_json() if data.computed else None,
      'model': options.format_option(name, settings),
      'init_from': None,
      'versions': library_versions.here(),
    },
    check_same=check_same,
    takes_all_devices=strategies.parse(config.strategy)[0] != 'none',
    judges=config.test,
    notes=_notes(config, data),
  )


def _notes(config: config_lib.TrainConfig, data: datasets.Data) -> tuple[str, ...]:
  """Returns what else the folds may know of the voices that they are judged on."""
  del data
  return tuple(
    f'--{name}={getattr(config, name)}: where that run was trained on voices of this data set, '
    'folds know of voices that they are judged on, and look better than they are.'
    for name in ('init_from', 'teacher')
    if getattr(config, name)
  )
