"""A whole run, from the data set to the report. It reads from top to bottom."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import keras
import tensorflow as tf

from schemas import options, splits, version
from tfrecords import manifest_file
from trainer import (
  agreement,
  announce,
  averaging,
  class_weights,
  computed_statistics,
  culprits,
  datasets,
  evaluate,
  failures,
  input_pipeline,
  keeper,
  loop,
  losses,
  machine,
  models,
  optimizers,
  precision,
  preflight,
  raw_files,
  resume,
  run_folder,
  sample_pictures,
  schedules,
  steps,
)
from trainer import config as config_lib
from trainer import position as position_lib
from trainer import workers as workers_lib
from trainer.augment import chain, forward
from trainer.callbacks import best as best_lib
from trainer.callbacks import callback, checkpoints, early_stopping, history, progress, tensorboard
from trainer.models import front_end


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
    model, compiled = _build(config, data, strategy, plan)
    folder, position = run_folder.RunFolder(config.run_dir), position_lib.Position()
    if start == resume.Start.CONTINUED:
      position = keeper.load(folder, compiled)
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
      draw_samples=lambda: sample_pictures.draw(_source(config, data)),
    ),
    progress.Progress(best, plan),
    stopping,
  ]


def _blame(
  config: config_lib.TrainConfig, data: datasets.Data, folder: run_folder.RunFolder, step: int
) -> str:
  """Returns what is said of the batch of a step, whose ids it writes into the run folder."""
  ids = culprits.batch_ids(_source(config, data), seed=config.seed, step=step)
  if ids:
    folder.write_json(folder.failed_batch_file, {'step': step, 'ids': ids})
  return culprits.sentence(ids, folder.failed_batch_file)


def _keeper(
  config: config_lib.TrainConfig, compiled: steps.Steps, folder: run_folder.RunFolder
) -> keeper.Keeper:
  return keeper.Keeper(
    compiled,
    folder,
    every_steps=config.checkpoint_steps,
    every_minutes=config.checkpoint_minutes,
    keep=config.keep_checkpoints,
  )


def _build(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  strategy: tf.distribute.Strategy,
  plan: loop.Plan,
) -> tuple[keras.Model, steps.Steps]:
  """Returns the model and the steps that train it, with variables on every device."""
  computed = _computed(config, data)
  with strategy.scope(), precision.policy(config.precision):
    name, settings = models.parse(config.model)
    model = models.build(name, settings, data.manifest, data.feature.name, computed=computed)
    horizon = schedules.Horizon(steps_per_epoch=plan.steps_per_epoch, epochs=plan.epochs)
    rate = schedules.make(config.schedule, announce.peak_learning_rate(config), horizon)
    optimizer = precision.protect(
      optimizers.make(config.optimizer, rate, model.trainable_variables), config.precision
    )
    optimizer.build(model.trainable_variables)
  steps.draw_apart(model, strategy)
  counts = data.manifest.label_counts(splits.TRAIN)
  compiled = steps.Steps(
    model,
    optimizer,
    strategy,
    feature_name=data.feature.name,
    losses=losses.Losses(
      label_smoothing=config.label_smoothing,
      class_weights=class_weights.CLASS_WEIGHTS[config.class_weights](counts),
    ),
    clip_norm=config.clip_norm,
    jit_compile=config.jit_compile,
    averages=averaging.Averages(model, strategy, decay=config.ema) if config.ema else None,
    augmented=_augmented(config, data, model, computed),
  )
  return model, compiled


def _computed(config: config_lib.TrainConfig, data: datasets.Data) -> front_end.Computed | None:
  """Returns what the model computes by itself, with its mean and variance; None for nothing."""
  if data.computed is None or data.manifest.audio is None:
    return None
  statistics = computed_statistics.stored(data.manifest, data.computed)
  if statistics is None:
    with failures.readable(data_dir=data.path, batch_size=config.batch_size):
      inputs = input_pipeline.sample_inputs(
        _source(config, data), computed_statistics.NUM_CLIPS, seed=config.seed
      )
      statistics = computed_statistics.measured(inputs, data.computed, data.manifest.audio)
  return front_end.Computed(spec=data.computed, statistics=statistics, audio=data.manifest.audio)


def _augmented(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  model: keras.Model,
  computed: front_end.Computed | None,
) -> forward.Forward | None:
  """Returns the model with what is done to its examples in training; None if nothing is."""
  if not config.augment:
    return None
  statistics = computed.statistics if computed else data.manifest.statistics[data.feature.name]
  audio = data.manifest.audio
  return forward.Forward(
    chain.Chain(config.augment),
    model,
    sample_rate_hz=audio.sample_rate_hz if audio else 0,
    fill=statistics.mean,
  )


def _batches(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  strategy: tf.distribute.Strategy,
  *,
  start_step: int,
) -> tuple[Any, Any | None]:
  """Returns the batches of the train split, and of the validation split if there is one."""
  source = _source(config, data)
  validation = None
  if data.has_validation:
    validation = input_pipeline.evaluation_batches(source, splits.VALIDATION, strategy)
  train_batches = input_pipeline.train_batches(
    source, strategy, seed=config.seed, start_step=start_step
  )
  return train_batches, validation


def _source(config: config_lib.TrainConfig, data: datasets.Data) -> input_pipeline.Source:
  return input_pipeline.Source(
    data_dir=data.path,
    manifest=data.manifest,
    feature_name=data.feature.name,
    batch_size=config.batch_size,
    augment=chain.Chain(config.augment),
    cache=config.cache,
    cache_dir=config.cache_dir,
    deterministic=config.deterministic,
    random_data=config.random_data,
    data_service=config.data_service,
  )


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
    'data_dir': raw_files.absolute(data.path),
    'dataset': data.manifest.name,
    'manifest_sha256': data.digest,
    'feature': data.feature.to_json(),
    'computed': data.computed.to_json() if data.computed else None,
    'model': options.format_option(*models.parse(config.model)),
    'num_parameters': model.count_params(),
    'versions': {'voxshard': version.VERSION, 'python': platform.python_version(), **libraries},
  }
