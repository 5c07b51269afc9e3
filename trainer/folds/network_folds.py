"""The folds of `python -m trainer`."""

from __future__ import annotations

import dataclasses

from trainer import config as config_lib
from trainer import models, preflight, resume
from trainer.data.raw import files
from trainer.devices import strategies
from trainer.folds import cross_validation
from trainer.runs import run_folder


def train(config: config_lib.TrainConfig) -> None:
  """Trains the folds of a data set, and judges them together.

  Raises:
    DatasetError, RecordError, ConfigError: as cross_validation.train.
  """
  cross_validation.train(job(config))


def of_fold(config: config_lib.TrainConfig) -> config_lib.TrainConfig:
  """Returns the flags of the run of --fold: an ordinary run on a part of the data set."""
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
    config, folds='', fold=None, parallel_folds=0, run_dir='', run_name='', overwrite=False,
    resume='auto',
  )  # fmt: skip
  data, _ = preflight.check(plain)

  def check_same(folder: run_folder.RunFolder, is_finished: bool) -> bool:
    stored = resume.stored_flags(folder)
    return resume.check_same(config, data, folder, stored, is_finished=is_finished)

  return cross_validation.Job(
    module='trainer',
    config=config,
    data=data,
    model=models.parse(config.model)[0],
    said={**resume.record(config, data), 'init_from': None},
    check_same=check_same,
    takes_all_devices=strategies.parse(config.strategy)[0] != 'none',
    judges=config.test,
    free=resume.FREE,
    notes=_notes(config),
  )


def _notes(config: config_lib.TrainConfig) -> tuple[str, ...]:
  """Returns what else the folds may know of the voices that they are judged on."""
  return tuple(
    f'--{name}={getattr(config, name)}: where that run was trained on voices of this data set, '
    'folds know of voices that they are judged on, and look better than they are.'
    for name in ('init_from', 'teacher')
    if getattr(config, name)
  )
