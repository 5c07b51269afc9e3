"""A whole run, from the data set to the report. It reads from top to bottom."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import keras
import tensorflow as tf

from schemas import options, splits, version
from tfrecords import manifest_file
from trainer import config as config_lib
from trainer import evaluate, models, preflight
from trainer.callbacks import best as best_lib
from trainer.callbacks import callback, checkpoints, early_stopping, history, progress, tensorboard
from trainer.data import culprits, datasets, input_pipeline, sample_pictures
from trainer.data.raw import files
from trainer.devices import agreement, machine
from trainer.devices import workers as workers_lib
from trainer.learning import assembly, failures, loop, steps
from trainer.runs import announce, checkpointer, resume, run_folder
from trainer.runs import position as position_lib


def train(config: config_lib.TrainConfig) -> run_folder.RunFolder:
  """Trains what the config asks for and returns the folder with all that came of it.

  Raises:
    DatasetError: if the data set is missing, damaged, or does not fit the model.
    ConfigError: if the config asks for what cannot be done here.
  """
  # Everything that may be wrong is found before anything is written.
  data, start = preflight.check(config)
  strategy = machine.prepare(config)
  workers = workers_lib.Workers(strategy)
  with failures.readable(
    data_dir=data.path, batch_size=config.batch_size, num_workers=workers.count
  ):
    start = agreement.agree(config, data, start, workers)
    plan = _plan(config, data)
    model, compiled = assembly.build(config, data, strategy, plan)
    folder, position = run_folder.RunFolder(config.run_dir), position_lib.Position()
    if start == resume.Start.CONTINUED:
      position = checkpointer.load(folder, compiled)
    batches = _batches(config, data, strategy, start_step=position.step)
    if workers.is_chief and start != resume.Start.CONTINUED:
      folder = _create_folder(config, data, start)
      folder.write_json(folder.config_file, _record(config, data, model))
    announce.start(config, data, model=model, strategy=strategy, folder=folder)
    announce.resumed(position)

    best = best_lib.Best(config.monitor)
    training = loop.Loop(
      compiled,
      plan=plan,
      callbacks=_callbacks(config, data, folder, model, compiled=compiled, plan=plan, best=best),
      position=position,
      keeper=_keeper(config, compiled, folder),
      blame=lambda step: _blame(config, data, folder, step) if workers.is_chief else '',
    )
    outcome = training.run(*batches)
    if outcome.interrupted:
      announce.interrupted(outcome, position, folder)
    elif workers.is_chief:
      announce.end(config, outcome, best)
      _finish(data, folder, outcome, position)
    workers.total([0])  # A worker that left would look like one that is lost.
  if outcome.interrupted == 'SIGINT':
    raise KeyboardInterrupt
  return folder


def _finish(
  data: datasets.Data,
  folder: run_folder.RunFolder,
  outcome: loop.Outcome,
  position: position_lib.Position,
) -> None:
  """Judges the best epoch, and writes that the run is finished."""
  report = None
  if data.has_test:  # Speakers that neither training nor the choice of the epoch has met.
    report = evaluate.evaluate_run(folder.path, split=splits.TEST, checkpoint=run_folder.BEST)
  folder.write_json(
    folder.outcome_file,
    {'epochs': len(outcome.epochs), 'steps': position.step, 'stopped': outcome.stopped},
  )
  announce.results(folder, report)


def _callbacks(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  folder: run_folder.RunFolder,
  model: keras.Model,
  *,
  compiled: steps.Steps,
  plan: loop.Plan,
  best: best_lib.Best,
) -> list[callback.Callback]:
  """Returns what listens to the run; of several workers only the chief writes and speaks."""
  stopping = early_stopping.EarlyStopping(best, patience=config.patience)
  if not workers_lib.Workers(compiled.strategy).is_chief:
    return [best, stopping]
  return [
    best,
    checkpoints.Checkpoints(model, folder, best),
    history.History(folder),
    tensorboard.TensorBoard(
      folder.logs_dir,
      compiled,
      flags=resume.binding_flags(config),
      weights=model.trainable_variables if config.histograms else (),
      profiled=config.profiled_steps,
      draw_samples=lambda: sample_pictures.draw(assembly.source(config, data)),
    ),
    progress.Progress(best, plan),
    stopping,
  ]


def _blame(
  config: config_lib.TrainConfig, data: datasets.Data, folder: run_folder.RunFolder, step: int
) -> str:
  """Returns what is said of the batch of a step, whose ids it writes into the run folder."""
  ids = culprits.batch_ids(assembly.source(config, data), seed=config.seed, step=step)
  if ids:
    folder.write_json(folder.failed_batch_file, {'step': step, 'ids': ids})
  return culprits.sentence(ids, folder.failed_batch_file)


def _keeper(
  config: config_lib.TrainConfig, compiled: steps.Steps, folder: run_folder.RunFolder
) -> checkpointer.Keeper:
  return checkpointer.Keeper(
    compiled,
    folder,
    every_steps=config.checkpoint_steps,
    every_minutes=config.checkpoint_minutes,
    keep=config.keep_checkpoints,
  )


def _batches(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  strategy: tf.distribute.Strategy,
  *,
  start_step: int,
) -> tuple[Any, Any | None]:
  """Returns the batches of the train split, and of the validation split if there is one."""
  source = assembly.source(config, data)
  validation = None
  if data.has_validation:
    validation = input_pipeline.evaluation_batches(source, splits.VALIDATION, strategy)
  train_batches = input_pipeline.train_batches(
    source, strategy, seed=config.seed, start_step=start_step
  )
  return train_batches, validation


def _plan(config: config_lib.TrainConfig, data: datasets.Data) -> loop.Plan:
  num_examples = data.manifest.num_records(splits.TRAIN)
  return loop.Plan(
    epochs=config.epochs,
    steps_per_epoch=loop.steps_per_epoch(num_examples, batch_size=config.batch_size),
    steps_per_execution=config.steps_per_execution,
  )


def _create_folder(
  config: config_lib.TrainConfig, data: datasets.Data, start: resume.Start
) -> run_folder.RunFolder:
  """Returns the run's folder, made and with the manifest in it."""
  if config.run_dir:
    folder = run_folder.RunFolder(config.run_dir)
  else:
    folder = run_folder.claim_default(data.manifest.name, models.parse(config.model)[0])
  folder.create(overwrite=config.overwrite or start == resume.Start.ANEW)
  manifest_file.save(data.manifest, folder.path)
  return folder


def _record(
  config: config_lib.TrainConfig, data: datasets.Data, model: keras.Model
) -> dict[str, Any]:
  """Returns what config.json says: enough to repeat the run, and to judge it later."""
  libraries = {name: importlib.metadata.version(name) for name in ('keras', 'numpy', 'tensorflow')}
  return {
    'flags': config.to_json(),
    'data_dir': files.absolute(data.path),
    'dataset': data.manifest.name,
    'manifest_sha256': data.digest,
    'feature': data.feature.to_json(),
    'computed': data.computed.to_json() if data.computed else None,
    'model': options.format_option(*models.parse(config.model)),
    'num_parameters': model.count_params(),
    'versions': {'voxshard': version.VERSION, 'python': platform.python_version(), **libraries},
  }
