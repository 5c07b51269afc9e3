"""The flags of `python -m trainer`, and the one function that reads them."""

import dataclasses

from absl import flags

from tfrecords.pipeline import caches
from trainer import augment, command_line, config, models
from trainer.devices import strategies
from trainer.judging import monitor
from trainer.learning import class_weights, optimizers, precision, schedules

_DEFAULT = config.TrainConfig


def define(flag_values: flags.FlagValues) -> None:
  """Defines every flag on `flag_values`; their ranges are checked by TrainConfig."""
  _define_data(flag_values)
  _define_input(flag_values)
  _define_checkpoints(flag_values)
  _define_tensorboard(flag_values)
  _define_devices(flag_values)
  _define_training(flag_values)
  command_line.define_shared(flag_values)


def to_config(flag_values: flags.FlagValues) -> config.TrainConfig:
  """Returns what the flags ask for: the only function of the trainer that reads them.

  Raises:
    ConfigError: for a value out of range, or values that contradict one another.
  """
  fields = config.TrainConfig.__dataclass_fields__
  return config.TrainConfig(**{name: flag_values[name].value for name in fields})


def _define_data(flag_values: flags.FlagValues) -> None:
  _text(
    flag_values,
    'data',
    'Folder of a data set, as the data job wrote it. Or raw audio files, without any data job: '
    'table:FILE.csv with the columns path, label and if there are such speaker and split, or '
    'folders:FOLDER with a folder for each label.',
  )
  _text(
    flag_values,
    'run_dir',
    'Folder for all that the run writes: checkpoints, logs, report. Empty: runs/DATASET-MODEL, '
    'with a number behind it where that is taken.',
  )
  _text(
    flag_values,
    'run_name',
    'The same as --run_dir=runs/NAME. `tensorboard --logdir runs` compares runs by these names.',
  )
  _switch(flag_values, 'overwrite', 'Replace the run in --run_dir, if there is one.')
  _choice(
    flag_values,
    'resume',
    config.RESUMES,
    'Whether to go on with the run in --run_dir, if it was stopped before its end. auto: if there '
    'is one of the same flags; must: or refuse; never: refuse if there is one.',
  )
  _text(
    flag_values,
    'model',
    'What to train, with settings as in cnn:filters=64,dropout=0.3. Known: '
    f'{"; ".join(_with_settings(name, f.settings) for name, f in models.MODELS.items())}.',
  )
  _text(
    flag_values, 'feature', "Which of the data set's features to learn from; empty: the only one."
  )
  _number(
    flag_values,
    'sample_rate_hz',
    'Of raw files: all must have it, as nothing is resampled. 0: what the first has.',
  )
  _fraction(
    flag_values,
    'clip_seconds',
    'Of raw files: longer ones are cut at their end, shorter ones padded. 0: 1 second.',
  )
  _text(
    flag_values,
    'compute',
    'What the model computes by itself from the feature waveform, in front of all else, as in '
    'log_mel:num_mels=64: the kinds and settings of the data job. Empty: nothing, and log_mel of '
    'raw files.',
  )
  flags.DEFINE_multi_string(
    'augment',
    list(_DEFAULT.augment),
    'What is done to examples of the train split as they are read, other at every pass, as in '
    'spec_augment:time_masks=1; several in the order given. Known: '
    f'{"; ".join(_with_settings(*member) for member in augment.SETTINGS.items())}.',
    flag_values=flag_values,
  )


def _define_input(flag_values: flags.FlagValues) -> None:
  _choice(
    flag_values,
    'cache',
    caches.CACHES,
    'Where records stay between two passes. memory: all of them, read before the first step; disk: '
    'copies of the shards in --cache_dir, for data that lies far away. The batches are the same.',
  )
  _text(flag_values, 'cache_dir', 'Folder for --cache=disk, which runs may share.')
  _switch(
    flag_values,
    'random_data',
    "Train on a made-up batch of the data set's shapes that stays on the devices, without "
    'validation and test: to look for errors, and to see how fast training could be.',
  )
  _text(
    flag_values,
    'data_service',
    'Let a tf.data service read and parse: the address of its dispatcher, grpc://HOST:PORT (python '
    '-m trainer.data_server starts one). Wants --nodeterministic.',
  )


def _define_checkpoints(flag_values: flags.FlagValues) -> None:
  _number(
    flag_values,
    'checkpoint_steps',
    'Save all that the next step depends on every so many steps, so that no more are lost when the '
    'machine is; 0: not by steps. It is saved after every epoch in any case.',
  )
  _fraction(
    flag_values, 'checkpoint_minutes', 'The same, by minutes since the last time; 0: not by time.'
  )
  _number(flag_values, 'keep_checkpoints', 'How many of these stay, the latest.')


def _define_tensorboard(flag_values: flags.FlagValues) -> None:
  _switch(
    flag_values, 'histograms', 'Write how the weights are distributed to TensorBoard, every epoch.'
  )
  _text(
    flag_values,
    'profile_steps',
    'Steps of which TensorBoard shows what took how long, as in 10-20; empty: none.',
  )


def _define_devices(flag_values: flags.FlagValues) -> None:
  known = '; '.join(f'{name}: {family.summary}' for name, family in strategies.STRATEGIES.items())
  _text(
    flag_values,
    'strategy',
    f'How a step is spread over devices. {known} (mirrored:num_devices=2 takes the first two).',
  )
  _number(
    flag_values,
    'virtual_devices',
    'Split the GPU, or else the CPU, into so many devices, to try --strategy=mirrored on one.',
  )
  _choice(
    flag_values,
    'precision',
    precision.POLICIES,
    'What the layers compute in. The mixed ones keep weights, normalisation and loss in float32.',
  )
  _switch(
    flag_values,
    'tf32',
    'Let GPUs since Ampere multiply float32 with 10 bits of mantissa, many times as fast; --notf32 '
    'for all 23.',
  )
  _switch(
    flag_values,
    'jit_compile',
    'Compile the forward and backward pass with XLA: slower to start, often faster on a GPU. '
    'Wants --nodeterministic.',
  )
  _number(
    flag_values,
    'steps_per_execution',
    'Steps that run between two looks at the numbers, at most; slow steps get fewer.',
  )
  _switch(
    flag_values,
    'deterministic',
    'Same flags, same weights, bit for bit on one machine. --nodeterministic lets a GPU pick '
    'faster kernels.',
  )
  _number(flag_values, 'seed', 'Where weights, dropout and the order of examples come from.')


def _define_training(flag_values: flags.FlagValues) -> None:
  members = ((name, settings) for name, (settings, _) in optimizers.OPTIMIZERS.items())
  _text(
    flag_values,
    'optimizer',
    'How the weights follow the gradient, with settings as in sgd:momentum=0.9. Known: '
    f'{"; ".join(_with_settings(*member) for member in members)}.',
  )
  rates = ', '.join(f'{family.learning_rate} for {name}' for name, family in models.MODELS.items())
  flags.DEFINE_float(
    'learning_rate',
    _DEFAULT.learning_rate,
    'For the whole batch, on however many devices: their number does not change it. By default '
    f"the model's own: {rates}.",
    flag_values=flag_values,
  )
  _choice(
    flag_values,
    'scale_learning_rate',
    optimizers.SCALINGS,
    f'Takes --learning_rate for that of batches of {optimizers.REFERENCE_BATCH} and multiplies it '
    'by how many times as large --batch_size is (linear, usual for sgd), or by the root of that '
    '(sqrt, usual for adam).',
  )
  known = '; '.join(_with_settings(name, f.settings) for name, f in schedules.SCHEDULES.items())
  _text(
    flag_values,
    'schedule',
    f'How the rate moves, as in cosine:warmup_epochs=2. Known: {known}.',
  )
  _number(flag_values, 'batch_size', 'Examples per step, over all devices.')
  _number(flag_values, 'epochs', 'Passes over the train split, at most.')
  _number(
    flag_values, 'patience', 'Stop after so many epochs without a better one; 0: never stop early.'
  )
  _choice(
    flag_values,
    'monitor',
    monitor.RANKS,
    'What of the validation split makes an epoch the best one, which is kept.',
  )
  _define_loss(flag_values)


def _define_loss(flag_values: flags.FlagValues) -> None:
  _fraction(
    flag_values,
    'label_smoothing',
    "Share of each label's weight that the loss of training spreads over all labels: 0.1 is usual.",
  )
  _choice(
    flag_values,
    'class_weights',
    class_weights.CLASS_WEIGHTS,
    'balanced: examples of rare labels count more, so that every label counts alike.',
  )
  _fraction(
    flag_values,
    'clip_norm',
    'Shortens the gradient of a batch, over all weights, to this length if it is longer; 0: off.',
  )
  _fraction(
    flag_values,
    'ema',
    'Keeps moving averages of the weights, of which each step leaves this share (0.999), and '
    'judges and saves the model with these; 0: off.',
  )


def _with_settings(name: str, settings: type) -> str:
  defaults = ', '.join(f'{field.name}={field.default}' for field in dataclasses.fields(settings))
  return f'{name} ({defaults})'


def _text(flag_values: flags.FlagValues, name: str, text: str) -> None:
  flags.DEFINE_string(name, getattr(_DEFAULT, name), text, flag_values=flag_values)


def _number(flag_values: flags.FlagValues, name: str, text: str) -> None:
  flags.DEFINE_integer(name, getattr(_DEFAULT, name), text, flag_values=flag_values)


def _fraction(flag_values: flags.FlagValues, name: str, text: str) -> None:
  flags.DEFINE_float(name, getattr(_DEFAULT, name), text, flag_values=flag_values)


def _switch(flag_values: flags.FlagValues, name: str, text: str) -> None:
  flags.DEFINE_bool(name, getattr(_DEFAULT, name), text, flag_values=flag_values)


def _choice(flag_values: flags.FlagValues, name: str, known, text: str) -> None:
  flags.DEFINE_enum(name, getattr(_DEFAULT, name), list(known), text, flag_values=flag_values)
