"""A whole run, from the data set to the report. It reads from top to bottom."""

from __future__ import annotations

import json
from typing import Any

import keras
import tensorflow as tf

from schemas import splits
from tfrecords import manifest_file
from trainer import announce, assembly, memory_demand, models, preflight, resume
from trainer import config as config_lib
from trainer.callbacks import best as best_lib
from trainer.callbacks import callback, checkpoints, early_stopping, history, tensorboard, terminal
from trainer.data import culprits, datasets, failures, input_pipeline, sample_pictures
from trainer.devices import agreement
from trainer.devices import workers as workers_lib
from trainer.judging import evaluation, judge
from trainer.learning import loop, schedules, steps
from trainer.learning import position as position_lib
from trainer.models import saved_model
from trainer.runs import checkpointer, run_folder, written_checkpoints
from trainer.trunks import weights as weights_lib


def train(
  config: config_lib.TrainConfig, checked: tuple[datasets.Data, resume.Start] | None = None
) -> run_folder.RunFolder:
  """Trains what the config asks for and returns the folder with all that came of it.

  Args:
    config: What is asked for.
    checked: What preflight.check_together made of it, if that was done already.

  Raises:
    DatasetError: if the data set is missing, damaged, or does not fit the model.
    ConfigError: if the config asks for what cannot be done here.
  """
  # Everything that may be wrong is found before anything is written.
  data, start = checked or preflight.check_together(config)
  if start == resume.Start.FINISHED:
    folder = run_folder.RunFolder(config.run_dir)
    if preflight.is_unjudged(config, data):
      outcome = folder.read_outcome() or {'steps': 0}
      report = evaluation.evaluate_run(folder.path)
      _write_test(folder, report, step=outcome['steps'])
      announce.results(folder, report, has_test=True)
    else:
      preflight.say_finished(config)
    return folder
  strategy = assembly.strategy(config)
  workers = workers_lib.Workers(strategy)
  with failures.readable(
    data_dir=data.path, batch_size=config.batch_size, num_workers=workers.count
  ):
    plan = _plan(config, data)
    data = assembly.with_own_statistics(config, data, workers, goes_on=start.goes_on)
    budgets = agreement.together(
      lambda: memory_demand.check(config, data, workers, goes_on=start.goes_on), workers
    )
    horizon = schedules.Horizon(steps_per_epoch=plan.steps_per_epoch, epochs=plan.epochs)
    origin = _origin(config, start, workers)
    model, compiled, parts = assembly.build(
      config,
      data,
      workers,
      rate=assembly.learning_rate(config, horizon),
      filling=origin,
      goes_on=start.goes_on,
    )
    folder, position = run_folder.RunFolder(config.run_dir), position_lib.Position()
    if start.goes_on:
      saved = checkpointer.load(folder, compiled.variables, workers, run=_identity(folder, workers))
      position = position_lib.Position.from_json(saved)
    batches = _batches(config, data, strategy, start_step=position.step)
    before = json.loads(
      agreement.made_by_chief(
        lambda: _open_folder(config, data, start, model, origin=origin), workers
      )
    )
    folder = run_folder.RunFolder(before['path'])
    if workers.is_chief:
      written_checkpoints.note(folder, *saved_model.settle(model, folder.graphs_dir))
    announce.start(
      config,
      data,
      model=model,
      parts=parts,
      workers=workers,
      folder=folder,
      budgets=budgets,
      steps_per_epoch=plan.steps_per_epoch,
    )
    announce.resumed(position, config, before['config'], steps_per_epoch=plan.steps_per_epoch)

    best = best_lib.Best(config.monitor)
    judging = judge.Judge(model, strategy, feature_name=data.feature.name)
    callbacks: list[callback.Callback] = [
      best,
      early_stopping.EarlyStopping(best, patience=config.patience),
    ]
    if workers.is_chief:  # Of several workers only the chief writes and speaks.
      callbacks[1:1] = _witnesses(
        config, data, folder, model, compiled=compiled, judging=judging, plan=plan, best=best
      )
    training = loop.Loop(
      compiled,
      judging,
      workers,
      plan=plan,
      callbacks=callbacks,
      position=position,
      keeper=checkpointer.Keeper(
        compiled.variables,
        workers,
        folder,
        every_steps=config.checkpoint_steps,
        every_minutes=config.checkpoint_minutes,
        keep=config.keep_checkpoints,
        run=_identity(folder, workers),
      ),
      blame=lambda step: _blame(config, data, folder, step) if workers.is_chief else '',
    )
    outcome = training.run(*batches)
    again = ''
    if outcome.interrupted:
      again = announce.interrupted(outcome, position, config, folder)
    elif workers.is_chief:
      announce.end(config, outcome, best)
      _finish(config, data, folder, outcome=outcome, position=position)
    workers.total([0])  # A worker that left would look like one that is lost.
  if outcome.interrupted == 'SIGINT':
    raise KeyboardInterrupt(again)
  return folder


def _finish(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  folder: run_folder.RunFolder,
  *,
  outcome: loop.Outcome,
  position: position_lib.Position,
) -> None:
  """Judges the best epoch, and writes that the run is finished."""
  # The test split is of speakers that neither training nor the choice of the epoch has met.
  report = evaluation.judge_finished(
    folder.path, on_validation=data.has_validation, on_test=data.has_test and config.test
  )
  if report:
    _write_test(folder, report, step=position.step)
  folder.write_outcome(epochs=len(outcome.epochs), steps=position.step, stopped=outcome.stopped)
  announce.results(folder, report, has_test=data.has_test)


def _write_test(folder: run_folder.RunFolder, report: dict[str, Any], *, step: int) -> None:
  tensorboard.write_test(
    folder.logs_dir, step=step, accuracy=report['accuracy'], loss=report['loss']
  )


def _witnesses(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  folder: run_folder.RunFolder,
  model: keras.Model,
  *,
  compiled: steps.Steps,
  judging: judge.Judge,
  plan: loop.Plan,
  best: best_lib.Best,
) -> list[callback.Callback]:
  """Returns what writes and tells of the run."""
  return [
    checkpoints.Checkpoints(model, folder, best),
    history.History(folder),
    tensorboard.TensorBoard(
      folder.logs_dir,
      graph=lambda: compiled.graph,
      confusion=lambda: judging.confusion,
      labels=data.manifest.labels,
      flags=_hyperparameters(config, data),
      weights=model.trainable_variables if config.histograms else (),
      profiled=config.profiled_steps,
      draw_samples=lambda: sample_pictures.draw(assembly.source(config, data)),
    ),
    terminal.Progress(best, epochs=plan.epochs, steps_per_epoch=plan.steps_per_epoch),
  ]


def _hyperparameters(config: config_lib.TrainConfig, data: datasets.Data) -> dict[str, Any]:
  """Returns the flags, with what came of those that say nothing by themselves."""
  return {
    **resume.binding_flags(config),
    'learning_rate': assembly.peak_learning_rate(config),
    'feature': (data.computed or data.feature).name,
    'dataset': data.manifest.name,
  }


def _blame(
  config: config_lib.TrainConfig, data: datasets.Data, folder: run_folder.RunFolder, step: int
) -> str:
  """Returns what is said of the batch of a step, whose ids it writes into the run folder."""
  ids = culprits.batch_ids(assembly.source(config, data), seed=config.seed, step=step)
  if ids:
    folder.write_json(folder.failed_batch_file, {'step': step, 'ids': ids})
  return culprits.sentence(ids, folder.failed_batch_file)


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


def _origin(
  config: config_lib.TrainConfig, start: resume.Start, workers: workers_lib.Workers
) -> weights_lib.Weights | None:
  """Returns what --init_from gives; where a run goes on, what config.json says of it."""
  if not (config.init_from and start.goes_on):
    return assembly.origin(config, workers)
  folder = run_folder.RunFolder(config.run_dir)
  said = agreement.made_by_chief(lambda: json.dumps(folder.read_config()).encode(), workers)
  return weights_lib.of_resumed(json.loads(said))


def _identity(folder: run_folder.RunFolder, workers: workers_lib.Workers) -> str:
  """Returns by what the states of a run are told; others than the chief may not see its folder."""
  return resume.identity(folder.read_config()) if workers.is_chief else ''


def _plan(config: config_lib.TrainConfig, data: datasets.Data) -> loop.Plan:
  num_examples = data.manifest.num_records(splits.TRAIN)
  return loop.Plan(
    epochs=config.epochs,
    steps_per_epoch=loop.steps_per_epoch(num_examples, batch_size=config.step_examples),
    steps_per_execution=config.steps_per_execution,
    # Of a data service a part may be missing, where one of its workers is lost.
    num_validation=None if config.data_service else data.manifest.num_records(splits.VALIDATION),
  )


def _open_folder(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  start: resume.Start,
  model: keras.Model,
  *,
  origin: weights_lib.Weights | None,
) -> bytes:
  """Makes the run's folder, with config.json and the manifest; the chief does.

  Where a run goes on it stays as it is, or says the flags of now if these are others.

  Returns:
    JSON with the `path` of the folder and the `config` that it had before, if a run goes on.
  """
  if start.goes_on:
    folder = run_folder.RunFolder(config.run_dir)
    folder.remove_leftovers()
    before = folder.read_config()
    if start == resume.Start.EXTENDED:
      folder.reopen(resume.extended(config, before))
    return json.dumps({'path': folder.path, 'config': before}).encode()
  if config.run_dir:
    folder = run_folder.RunFolder(config.run_dir)
  else:
    folder = run_folder.claim_default(data.manifest.name, models.parse(config.model)[0])
  folder.create(overwrite=config.overwrite or start == resume.Start.ANEW)
  folder.remove_leftovers()
  manifest_file.save(data.manifest, folder.path)
  written_checkpoints.note(folder, folder.manifest_file)
  folder.write_json(folder.config_file, _record(config, data, model, origin))
  return json.dumps({'path': folder.path, 'config': {}}).encode()


def _record(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  model: keras.Model,
  origin: weights_lib.Weights | None,
) -> dict[str, Any]:
  """Returns what config.json says: enough to repeat the run, and to judge it later."""
  return {
    **resume.record(config, data),
    'num_parameters': model.count_params(),
    'init_from': origin.to_json() if origin else None,
  }
