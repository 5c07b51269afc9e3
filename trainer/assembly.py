"""The model of a run, and the steps that train it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from schemas import errors, manifest, splits
from tfrecords import held_out, manifest_file
from trainer import config as config_lib
from trainer import models
from trainer.augment import chain
from trainer.data import datasets, failures, input_pipeline, padded_lengths, record_moments
from trainer.devices import agreement, machine
from trainer.devices import workers as workers_lib
from trainer.learning import (
  averaging,
  batch_statistics,
  class_weights,
  computed_statistics,
  forward,
  losses,
  optimizers,
  precision,
  schedules,
  steps,
)
from trainer.learning import teacher as teacher_lib
from trainer.models import anatomy, freezing, front_end
from trainer.runs import origin as origin_lib
from trainer.runs import run_folder, written_checkpoints
from trainer.trunks import weights as weights_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
  """What a model's parts are in a run.

  Attributes:
    taken: What came of --init_from; None without, and where a run goes on.
    frozen: What does not train, in words; '' for nothing.
    is_random: Whether that are random numbers.
  """

  taken: weights_lib.Outcome | None = None
  frozen: str = ''
  is_random: bool = False


# Of which averaged weights get their statistics of batch normalisation, after each epoch.
_STATISTICS_CLIPS = 1024


def strategy(config: config_lib.TrainConfig) -> tf.distribute.Strategy:
  """Makes the machine ready for a run, and returns what spreads its steps over devices.

  Raises:
    ConfigError: if there are no such devices here.
  """
  return machine.prepare(
    config.strategy,
    batch_size=config.batch_size,
    virtual_devices=config.virtual_devices,
    tf32=config.tf32,
    deterministic=config.deterministic,
    seed=config.seed,
  )


def with_own_statistics(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  workers: workers_lib.Workers,
  *,
  goes_on: bool = False,
) -> datasets.Data:
  """Returns a data set whose mean and variance are of what is learned from, and of nothing else.

  Those that the data job wrote are of its whole train split. With --unknown_labels clips of it are
  left out, so it is read once more; a run that goes on keeps those that it began with.

  Raises:
    RecordError, DatasetError: if the data set is damaged.
  """
  whole = data.manifest
  if config.random_data or not whole.statistics or not held_out.labels_of(whole):
    return data

  def found() -> bytes:
    if goes_on:
      statistics = dict(manifest_file.load(config.run_dir, of_run=True).statistics)
    else:
      # What is computed and not stored is measured, of the same clips.
      computed, name = data.computed, data.feature.name
      name = computed_statistics.stored_name(whole, computed) if computed else name
      wanted = [spec for spec in whole.features if spec.name == name]
      statistics = record_moments.of_train_split(data.path, whole, wanted) if wanted else {}
    return json.dumps({name: one.to_json() for name, one in statistics.items()}).encode()

  said = json.loads(agreement.made_by_chief(found, workers))
  own = {
    name: manifest.FeatureStatistics.from_json(one, where=f'statistics of {name}')
    for name, one in said.items()
  }
  return dataclasses.replace(data, manifest=dataclasses.replace(whole, statistics=own))


def build(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  workers: workers_lib.Workers,
  *,
  rate: Any,
  filling: weights_lib.Weights | None = None,
  goes_on: bool = False,
) -> tuple[keras.Model, steps.Steps, Parts]:
  """Returns the model and the steps that train it, with variables on every device, and its parts.

  Args:
    config: What is asked for.
    data: What is learned from.
    workers: Who trains.
    rate: The learning rate: a number, or a Keras schedule.
    filling: What --init_from gives, if anything.
    goes_on: Whether the run is in its folder already.
  """
  strategy = workers.strategy
  computed = _computed(config, data)
  with strategy.scope(), precision.policy(config.precision):
    name, settings = model_of(config, goes_on=goes_on)
    member = models.MODELS[name]
    is_pretrained = member.is_pretrained(settings)
    if filling:  # In place of what the settings would fill the trunk with.
      settings = member.unfilled(settings)
    model = models.build(name, settings, data.manifest, data.feature.name, computed=computed)
    parts = _parts(config, model, filling, labels=data.manifest.labels, is_filled=is_pretrained)
    batch_statistics.make_exact(model)
    if config.jit_compile:
      check_compilable(model, strategy)
    optimizer = precision.protect(
      optimizers.make(
        config.optimizer,
        rate,
        model.trainable_variables,
        slow=_slow(config, model),
        factor=trunk_factor(config),
      ),
      config.precision,
    )
    optimizer.build(model.trainable_variables)
    # Behind the student, so that it gets the weights that it would have without.
    lesson = teacher_lib.find(config.teacher, data) if config.teacher else None
    teacher = teacher_lib.Teacher(lesson, data.computed) if lesson else None
  steps.draw_apart(model, workers)
  counts = data.manifest.label_counts(splits.TRAIN)
  compiled = steps.Steps(
    model,
    optimizer,
    strategy,
    feature_name=data.feature.name,
    losses=losses.Losses(
      label_smoothing=config.label_smoothing,
      class_weights=class_weights.CLASS_WEIGHTS[config.class_weights](counts),
      teacher_weight=config.teacher_weight,
      teacher_temperature=config.teacher_temperature,
    ),
    settings=steps.Settings(
      clip_norm=config.clip_norm,
      accumulate=config.accumulate,
      jit_compile=config.jit_compile,
    ),
    averages=_averages(config, data, model, strategy) if config.ema else None,
    augmented=_augmented(config, data, model, computed, teacher=teacher),
  )
  return model, compiled, parts


def model_of(config: config_lib.TrainConfig, *, goes_on: bool) -> tuple[str, Any]:
  """Returns the name and the settings of a run's model, by what runs before it keep of a file.

  Args:
    config: What is asked for.
    goes_on: Whether the run is in its folder already.
  """
  folder = None
  if goes_on:
    folder = run_folder.RunFolder(config.run_dir)
  elif config.init_from and (run := origin_lib.find(config.init_from).run):
    folder = run.folder
  if folder is None:
    return models.parse_of_run(config.model, '')
  written_checkpoints.check_below(folder, folder.graphs_dir)
  return models.parse_of_run(config.model, folder.graphs_dir)


def origin(
  config: config_lib.TrainConfig, workers: workers_lib.Workers
) -> weights_lib.Weights | None:
  """Returns what --init_from gives; None without it."""
  if not config.init_from:
    return None
  return weights_lib.read(origin_lib.find(config.init_from), workers)


def _parts(
  config: config_lib.TrainConfig,
  model: keras.Model,
  filling: weights_lib.Weights | None,
  *,
  labels: Sequence[str],
  is_filled: bool,
) -> Parts:
  """Fills the trunk from elsewhere, and freezes what is not to train."""
  taken = None
  if filling and filling.trunk:
    taken = weights_lib.put(filling, model, labels)
  elif filling:  # Of a run that goes on: the weights are in its state.
    weights_lib.put_constants(model, filling.constants)
  what = freezing.apply(model, frozen(config), is_pretrained=is_filled)
  return Parts(taken=taken, frozen=what, is_random=bool(what) and not (filling or is_filled))


def _slow(config: config_lib.TrainConfig, model: keras.Model) -> list[keras.Variable]:
  """Returns the weights that --trunk_learning_rate is for."""
  if not config.trunk_learning_rate:
    return []
  trunk = anatomy.trunk(model)
  found = [] if trunk is None else trunk.trainable_variables
  if not found:
    raise errors.ConfigError(
      f'--trunk_learning_rate={config.trunk_learning_rate:g} has no effect: no weight of the trunk '
      f'of {model.name!r} trains (--freeze={config.freeze}). Leave one of them away.'
    )
  return found


def _averages(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  model: keras.Model,
  strategy: tf.distribute.Strategy,
) -> averaging.Averages:
  """Returns the averages of a model's weights, with statistics of their own."""
  num_clips = min(_STATISTICS_CLIPS, data.manifest.num_records(splits.TRAIN))
  statistics = batch_statistics.Measured(
    model,
    strategy,
    lambda: input_pipeline.plain_batches(source(config, data), strategy, seed=config.seed),
    num_batches=max(1, num_clips // config.batch_size),
    feature_name=data.feature.name,
  )
  return averaging.Averages(model, strategy, decay=config.ema, statistics=statistics)


def compiled_lengths(config: config_lib.TrainConfig, data: datasets.Data) -> tuple[int, ...]:
  """Returns the lengths that --jit_compile compiles for; () for the one that all clips have."""
  if not config.jit_compile or not data.feature.is_variable:
    return ()
  return padded_lengths.between(*data.train_rows)


def check_compilable(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
  """Refuses to compile what waits for other devices in the middle of a step.

  Raises:
    ConfigError: if several devices train batch normalisation.
  """
  count = strategy.num_replicas_in_sync
  if count > 1 and any(layer.trainable for layer in batch_statistics.layers(model)):
    raise errors.ConfigError(
      f'--jit_compile cannot train {model.name!r} on {count} devices: its batch normalisation '
      'takes the mean and variance of all devices in the middle of a step, and XLA compiles what '
      'one device does. Leave --jit_compile away, or train on one device (--strategy=none).'
    )


def _computed(config: config_lib.TrainConfig, data: datasets.Data) -> front_end.Computed | None:
  """Returns what the model computes by itself, with its mean and variance; None for nothing."""
  if data.computed is None or data.manifest.audio is None:
    return None
  statistics = computed_statistics.stored(data.manifest, data.computed)
  if statistics is None:
    with failures.readable(data_dir=data.path, batch_size=config.batch_size):
      inputs = input_pipeline.sample_inputs(
        source(config, data), computed_statistics.NUM_CLIPS, seed=config.seed
      )
      statistics = computed_statistics.measured(inputs, data.computed, data.manifest.audio)
  return front_end.Computed(spec=data.computed, statistics=statistics, audio=data.manifest.audio)


def _augmented(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  model: keras.Model,
  computed: front_end.Computed | None,
  *,
  teacher: teacher_lib.Teacher | None,
) -> forward.Forward | None:
  """Returns the model with what is done to its examples, and its teacher; None without both."""
  if not config.augment and teacher is None:
    return None
  statistics = computed.statistics if computed else data.manifest.statistics[data.feature.name]
  steps = chain.Chain(config.augment)
  context = steps.context(
    data.feature,
    computed.spec if computed else None,
    data.manifest.audio,
    fill=statistics.mean,
    most_rows=data.train_rows[1] if data.feature.is_variable else 0,
  )
  return forward.Forward(steps, model, context, teacher)


def source(config: config_lib.TrainConfig, data: datasets.Data) -> input_pipeline.Source:
  """Returns where the batches of a run come from."""
  return input_pipeline.Source(
    data_dir=data.path,
    manifest=data.manifest,
    feature_name=data.feature.name,
    batch_size=config.batch_size,
    accumulate=config.accumulate,
    balance=config.balance_batches,
    augment=chain.Chain(config.augment).with_recordings(data.manifest.audio),
    cache=config.cache,
    cache_dir=config.cache_dir,
    deterministic=config.deterministic,
    random_data=config.random_data,
    data_service=config.data_service,
    lengths=compiled_lengths(config, data),
  )


def learning_rate(config: config_lib.TrainConfig, horizon: schedules.Horizon) -> Any:
  """Returns what an optimizer takes as its learning rate: a number, or a Keras schedule."""
  return schedules.make(config.schedule, peak_learning_rate(config), horizon)


def learning_rate_at(
  step: int, config: config_lib.TrainConfig, horizon: schedules.Horizon
) -> float:
  """Returns the learning rate of the step behind `step` steps."""
  rate = learning_rate(config, horizon)
  return float(rate(step)) if callable(rate) else rate


def frozen(config: config_lib.TrainConfig) -> str:
  """Returns what does not train, as freezing.apply takes it."""
  # A trunk of --init_from goes on learning, unless the user says otherwise.
  is_open = config.freeze == freezing.AUTO and config.init_from
  return freezing.NONE if is_open else config.freeze


def trunk_factor(config: config_lib.TrainConfig) -> float:
  """Returns the learning rate of the trunk as a share of that of the head."""
  return (config.trunk_learning_rate or base_rate(config)) / base_rate(config)


def base_rate(config: config_lib.TrainConfig) -> float:
  """Returns --learning_rate, or the model's own where that names none."""
  return config.learning_rate or models.MODELS[models.parse(config.model)[0]].learning_rate


def peak_learning_rate(config: config_lib.TrainConfig) -> float:
  """Returns the full learning rate, of whole batches: what the schedule is of."""
  base = base_rate(config)
  return optimizers.scaled(base, config.scale_learning_rate, batch_size=config.step_examples)
