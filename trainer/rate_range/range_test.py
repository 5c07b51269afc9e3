"""A learning-rate range test, from the data set to a picture and a number.

It reads from top to bottom. Nothing else comes of it: no run folder, no weights.
"""

from __future__ import annotations

import dataclasses
import os

import keras

from schemas import options
from tfrecords import command_line, storage
from trainer import assembly, memory_demand, models
from trainer import config as config_lib
from trainer.data import datasets, failures, input_pipeline
from trainer.devices import agreement
from trainer.devices import workers as workers_lib
from trainer.learning import optimizers, steps
from trainer.rate_range import curve_picture, loss_curve
from trainer.runs import run_folder

# Between two looks at the losses. The first call takes one, as it compiles.
_STEPS_AT_ONCE = 5
# What says how long training takes, what is kept of it, and how it is judged.
_NO_PART = frozenset(
  (
    'learning_rate', 'schedule', 'epochs', 'patience', 'monitor', 'ema', 'test', 'overwrite',
    'checkpoint_steps', 'checkpoint_minutes', 'keep_checkpoints', 'histograms', 'profile_steps',
  )
)  # fmt: skip


def find(config: config_lib.TrainConfig, data: datasets.Data) -> loss_curve.LossCurve:
  """Trains with a rate that grows in each step, until the loss explodes; draws and tells of it.

  Args:
    config: What is to be trained afterwards; its learning rate, schedule and epochs have no part.
    data: What preflight.check made of it.

  Returns:
    The losses and their rates.

  Raises:
    DatasetError: if the data set is damaged, or does not fit the model.
    ConfigError: if the config asks for what cannot be done here, or a picture cannot be written.
  """
  strategy = assembly.strategy(config)
  workers = workers_lib.Workers(strategy)
  curve = loss_curve.LossCurve()
  with failures.readable(
    data_dir=data.path, batch_size=config.batch_size, num_workers=workers.count
  ):
    data = assembly.with_own_statistics(config, data, workers)
    agreement.together(lambda: memory_demand.check(config, data, workers), workers)
    _, compiled, _ = assembly.build(
      config, data, workers, rate=growing_rate(), filling=assembly.origin(config, workers)
    )
    batches = iter(
      input_pipeline.train_batches(assembly.source(config, data), strategy, seed=config.seed)
    )
    if workers.is_chief:
      _say_what(config, data)
    while not curve.is_done:
      _add_steps(curve, compiled.train(batches, _STEPS_AT_ONCE if len(curve.losses) else 1))
    if workers.is_chief:
      _tell(config, data, curve)
    workers.total([0])  # A worker that left would look like one that is lost.
  return curve


def growing_rate() -> keras.optimizers.schedules.LearningRateSchedule:
  """Returns the rate of each step that moves the weights, from 0."""
  return keras.optimizers.schedules.ExponentialDecay(
    loss_curve.LOWEST_RATE, decay_steps=1, decay_rate=loss_curve.GROWTH
  )


def _add_steps(curve: loss_curve.LossCurve, found: steps.StepScores) -> None:
  """Adds losses; a step that loss scaling skipped had the rate that the next one has too."""
  for i, loss in enumerate(found.losses.tolist()):
    is_skipped = found.skipped is not None and found.skipped[i]
    if not is_skipped and not curve.is_done:
      curve.add(loss)


def _say_what(config: config_lib.TrainConfig, data: datasets.Data) -> None:
  name = options.format_option(*models.parse(config.model))
  print(
    f'range    {name} on {data.path}, {config.optimizer}: up to {loss_curve.MOST_STEPS} steps of '
    f'{config.step_examples} examples, learning rates from {loss_curve.LOWEST_RATE:g} to '
    f'{loss_curve.HIGHEST_RATE:g}',
    flush=True,
  )
  ignored = [
    command_line.written(config, field)
    for field in dataclasses.fields(config)
    if field.name in _NO_PART and getattr(config, field.name) != field.default
  ]
  if ignored:
    have = 'has' if len(ignored) == 1 else 'have'
    print(f'note: {" and ".join(ignored)} {have} no part in it.', flush=True)


def _tell(config: config_lib.TrainConfig, data: datasets.Data, curve: loss_curve.LossCurve) -> None:
  """Prints what the curve says, and writes the picture."""
  done = f'behind {len(curve.losses)} steps'
  print(f'stopped  {done}: {curve.explosion or "the highest rate was tried"}.')
  suggestion = curve.suggestion()
  if suggestion is None:
    print(
      'note: the loss fell at no rate, so there is none to suggest. Look whether labels and '
      'features fit, or take another model.'
    )
  else:
    # --learning_rate is that of the reference batch, where it is scaled.
    flag = suggestion.rate / optimizers.scaled(
      1.0, config.scale_learning_rate, batch_size=config.step_examples
    )
    print(
      f'lowest   loss {suggestion.lowest_loss:.4g} at the rate {suggestion.lowest_rate:.2g}: '
      'there it is about to rise'
    )
    print(
      f'rate     {suggestion.rate:.2g}, where the smoothed loss falls most steeply over the '
      f"rate's logarithm: try --learning_rate={flag:.2g}"
    )
  if len(curve.losses):
    title = (
      f'{data.manifest.name}, {config.model}, {config.optimizer}, {config.step_examples} a step'
    )
    print(f'picture  {_write(config, data, curve_picture.png(curve, suggestion, title=title))}')


def _write(config: config_lib.TrainConfig, data: datasets.Data, picture: bytes) -> str:
  """Writes the picture beside where the run would be, and over no other; returns its path."""
  run_dir = config.run_dir or os.path.join(
    run_folder.RUNS, f'{data.manifest.name}-{models.parse(config.model)[0]}'
  )
  stem, number = f'{run_dir.rstrip(os.sep)}-learning_rate', 1
  path = f'{stem}.png'
  with run_folder.writing(path):
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    while os.path.lexists(path):
      number += 1
      path = f'{stem}-{number}.png'
    storage.write_atomically(path, picture)
  return path
