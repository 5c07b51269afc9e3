"""The model of a run, and the steps that train it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from schemas import errors, splits
from trainer import config as config_lib
from trainer import models
from trainer.augment import chain
from trainer.data import datasets, failures, input_pipeline, padded_lengths
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
from trainer.models import front_end

# Of which averaged weights get their statistics of batch normalisation, after each epoch.
_STATISTICS_CLIPS = 1024


def build(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  workers: workers_lib.Workers,
  *,
  rate: Any,
) -> tuple[keras.Model, steps.Steps]:
  """Returns the model and the steps that train it, with variables on every device.

  Args:
    config: What is asked for.
    data: What is learned from.
    workers: Who trains.
    rate: The learning rate: a number, or a Keras schedule.
  """
  strategy = workers.strategy
  computed = _computed(config, data)
  with strategy.scope(), precision.policy(config.precision):
    name, settings = models.parse(config.model)
    model = models.build(name, settings, data.manifest, data.feature.name, computed=computed)
    batch_statistics.make_exact(model)
    if config.jit_compile:
      check_compilable(model, strategy)
    optimizer = precision.protect(
      optimizers.make(config.optimizer, rate, model.trainable_variables), config.precision
    )
    optimizer.build(model.trainable_variables)
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
    ),
    settings=steps.Settings(
      clip_norm=config.clip_norm,
      accumulate=config.accumulate,
      jit_compile=config.jit_compile,
    ),
    averages=_averages(config, data, model, strategy) if config.ema else None,
    augmented=_augmented(config, data, model, computed),
  )
  return model, compiled


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
) -> forward.Forward | None:
  """Returns the model with what is done to its examples in training; None if nothing is."""
  if not config.augment:
    return None
  statistics = computed.statistics if computed else data.manifest.statistics[data.feature.name]
  steps = chain.Chain(config.augment)
  context = steps.context(
    data.feature, computed.spec if computed else None, data.manifest.audio, fill=statistics.mean
  )
  return forward.Forward(steps, model, context)


def source(config: config_lib.TrainConfig, data: datasets.Data) -> input_pipeline.Source:
  """Returns where the batches of a run come from."""
  return input_pipeline.Source(
    data_dir=data.path,
    manifest=data.manifest,
    feature_name=data.feature.name,
    batch_size=config.batch_size,
    accumulate=config.accumulate,
    balance=config.balance_batches,
    augment=chain.Chain(config.augment),
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


def peak_learning_rate(config: config_lib.TrainConfig) -> float:
  """Returns the full learning rate, of whole batches: what the schedule is of."""
  base = config.learning_rate or models.MODELS[models.parse(config.model)[0]].learning_rate
  return optimizers.scaled(base, config.scale_learning_rate, batch_size=config.step_examples)
