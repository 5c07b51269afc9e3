"""Everything that a run is asked to do, checked at birth."""

import dataclasses
import os
from typing import Any

from schemas import errors, limits, options
from tfrecords import command_line
from tfrecords.pipeline import caches
from trainer import augment, models
from trainer.augment import chain
from trainer.data import computed_feature, datasets, named_data, service_address
from trainer.data.raw import files
from trainer.devices import strategies
from trainer.folds import fold_flag
from trainer.learning import class_weights, optimizers, precision, schedules
from trainer.measures import monitor
from trainer.models import freezing
from trainer.runs import origin, run_folder

RESUME_AUTO, RESUME_MUST, RESUME_NEVER = 'auto', 'must', 'never'
NO_RECIPE, TRANSFER = 'none', 'transfer'
RESUMES = (RESUME_AUTO, RESUME_MUST, RESUME_NEVER)


flag = command_line.flag

_OFF_OR_MORE = dataclasses.replace(limits.AT_LEAST_0, wanted='0 (off) or more')
_SHARE = limits.Limits(lambda value: 0 <= value < 1, 'in [0, 1)', '; 0 is off')
_PART = limits.Limits(lambda value: 0 < value <= 1, 'in (0, 1]')
_RAW = dataclasses.replace(limits.AT_LEAST_0, wanted='positive, or 0 for the usual')


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """One field per flag, with what --help says of it and what it may be."""

  data: str = flag(
    datasets.DEMO_DATA,
    'Folder of a data set, as the data job wrote it. Or raw audio files, without any data job: '
    'table:FILE.csv with the columns path, label and if there are such speaker and split, or '
    'folders:FOLDER with a folder for each label.',
    is_path=True,
  )
  run_dir: str = flag(
    '',
    'Folder for all that the run writes: checkpoints, logs, report. Empty: runs/DATASET-MODEL, '
    'with a number behind it where that is taken.',
    is_path=True,
  )
  run_name: str = flag(
    '',
    'The same as --run_dir=runs/NAME. TensorBoard on `runs` compares runs by these names.',
  )
  overwrite: bool = flag(
    False, 'Replace the run in --run_dir, if there is one.', needs=('run_dir', 'run_name')
  )
  resume: str = flag(
    RESUME_AUTO,
    'Whether to go on with the run in --run_dir, if it was stopped before its end. auto: if there '
    'is one of the same flags; must: or refuse; never: refuse if there is one.',
    choices=RESUMES,
  )
  model: str = flag(
    models.DEFAULT,
    'What to train, with settings as in cnn:filters=64,dropout=0.3. Known: '
    f'{options.described(models.SETTINGS)}.',
  )
  init_from: str = flag(
    '',
    'Begin with the trunk of another run: its folder, of which the best checkpoint is taken, or a '
    '.keras file of one. --model is then that of the run. Where the labels are the same its head '
    'is taken too.',
    is_path=True,
  )
  freeze: str = flag(
    freezing.AUTO,
    'What of the model does not train: none, trunk, or blocks:N for the N lowest blocks of the '
    'trunk. auto: nothing; with weights from elsewhere (vgg16:weights=FILE) all blocks but the '
    'top one.',
  )
  recipe: str = flag(
    NO_RECIPE,
    'transfer: with --init_from trains a head on the frozen trunk, then both, and beside them a '
    'run from scratch, in folders of --run_dir, and writes a page that compares them.',
    choices=(NO_RECIPE, TRANSFER),
  )
  feature: str = flag('', "Which of the data set's features to learn from; empty: the only one.")
  unknown_labels: str = flag(
    '',
    'Labels whose clips are left out of training and validation, so that their test clips judge '
    'how well the model tells what is none of its labels: how many (2; --seed decides which), or '
    'their names (yes,no).',
  )
  sample_rate_hz: int = flag(
    0,
    'Of raw files: all must have it, as nothing is resampled. 0: what the first has.',
    limits=_RAW,
  )
  clip_seconds: float = flag(
    0.0,
    'Of raw files: longer ones are cut at their end, shorter ones padded. 0: 1 second.',
    limits=_RAW,
  )
  compute: str = flag(
    '',
    'What the model computes by itself from the feature waveform, in front of all else, as in '
    'log_mel:num_mels=64: the kinds and settings of the data job. Empty: nothing, and '
    f'{files.COMPUTE} of raw files.',
  )
  augment: tuple[str, ...] = flag(
    (),
    'What is done to examples of the train split as they are read, other at every pass, as in '
    'spec_augment:time_masks=1; several in the order given. Known: '
    f'{options.described(augment.SETTINGS)}.',
  )
  cache: str = flag(
    caches.NONE,
    'Where records stay between two passes. memory: all of them, read before the first step; disk: '
    'copies of the shards in --cache_dir, for data that lies far away. The batches are the same.',
    choices=caches.CACHES,
  )
  cache_dir: str = flag(
    '', 'Folder for --cache=disk, which runs may share.', is_path=True, needs=('cache=disk',)
  )
  random_data: bool = flag(
    False,
    "Train on a made-up batch of the data set's shapes that stays on the devices, without "
    'validation and test: to look for errors, and to see how fast training could be.',
  )
  data_service: str = flag(
    '',
    'Let a tf.data service read and parse: the address of its dispatcher, grpc://HOST:PORT (python '
    '-m trainer.data_server starts one). Wants --nodeterministic.',
  )
  checkpoint_steps: int = flag(
    0,
    'Save all that the next step depends on every so many steps, so that no more are lost when the '
    'machine is; 0: not by steps. It is saved after every epoch in any case.',
    limits=limits.NATURAL,
  )
  checkpoint_minutes: float = flag(
    10.0, 'The same, by minutes since the last time; 0: not by time.', limits=_OFF_OR_MORE
  )
  keep_checkpoints: int = flag(2, 'How many of these stay, the latest.', limits=limits.COUNT)
  histograms: bool = flag(
    False, 'Write how the weights are distributed to TensorBoard, every epoch.'
  )
  profile_steps: str = flag(
    '', 'Steps of which TensorBoard shows what took how long, as in 10-20; empty: none.'
  )
  strategy: str = flag(
    'none',
    'How a step is spread over devices. '
    f'{"; ".join(f"{name}: {one.summary}" for name, one in strategies.STRATEGIES.items())} '
    '(mirrored:num_devices=2 takes the first two).',
  )
  virtual_devices: int = flag(
    0,
    'Split the GPU, or else the CPU, into so many devices, to try --strategy=mirrored on one.',
    limits=limits.NATURAL,
    needs=('strategy=mirrored',),
  )
  precision: str = flag(
    precision.FLOAT32,
    'What the layers compute in. The mixed ones keep weights, normalisation and loss in float32.',
    choices=precision.POLICIES,
  )
  tf32: bool = flag(
    True,
    'Let GPUs since Ampere multiply float32 with 10 bits of mantissa, many times as fast; --notf32 '
    'for all 23.',
  )
  jit_compile: bool = flag(
    False,
    'Compile the forward and backward pass with XLA: slower to start, often faster on a GPU. '
    'Wants --nodeterministic.',
  )
  # With `cnn` and 98x80 features on 2 cores 16 steps take a second, and the overhead cannot be
  # measured any more.
  steps_per_execution: int = flag(
    16,
    'Steps that run between two looks at the numbers, at most; slow steps get fewer.',
    limits=limits.COUNT,
  )
  deterministic: bool = flag(
    True,
    'Same flags, same weights, bit for bit on one machine. --nodeterministic lets a GPU pick '
    'faster kernels.',
  )
  seed: int = flag(
    0, 'Where weights, dropout and the order of examples come from.', limits=limits.NATURAL
  )
  optimizer: str = flag(
    'adam',
    'How the weights follow the gradient, with settings as in sgd:momentum=0.9. Known: '
    f'{options.described(optimizers.SETTINGS)}.',
  )
  learning_rate: float | None = flag(
    None,
    'For the whole batch, on however many devices: their number does not change it. By default '
    "the model's own: "
    f'{", ".join(f"{one.learning_rate} for {name}" for name, one in models.MODELS.items())}.',
    limits=limits.POSITIVE,
  )
  find_learning_rate: bool = flag(
    False,
    'Train nothing, but try which --learning_rate is right: it grows from step to step until the '
    'loss explodes (Smith 2017). Prints a rate, and draws the loss over all of them beside where '
    'the run would be.',
  )
  scale_learning_rate: str = flag(
    'none',
    f'Takes --learning_rate for that of batches of {optimizers.REFERENCE_BATCH} and multiplies it '
    'by how many times as large a step is (linear, usual for sgd), or by the root of that '
    '(sqrt, usual for adam).',
    choices=optimizers.SCALINGS,
  )
  trunk_learning_rate: float | None = flag(
    None,
    'Another rate for the trunk, such as a tenth of --learning_rate, which is then that of the '
    'head. Both are scaled and scheduled alike.',
    limits=limits.POSITIVE,
    idle_with=('freeze=trunk',),
  )
  schedule: str = flag(
    'constant',
    'How the rate moves, as in cosine:warmup_epochs=2. Known: '
    f'{options.described(schedules.SETTINGS)}.',
  )
  batch_size: int = flag(64, 'Examples per step, over all devices.', limits=limits.COUNT)
  accumulate: int = flag(
    1,
    'Add up the gradients of so many batches before the weights move: a step then learns from '
    '--accumulate times --batch_size examples, in the memory of --batch_size. Epochs, schedules '
    'and rates are of these steps.',
    limits=limits.COUNT,
  )
  epochs: int = flag(30, 'Passes over the train split, at most.', limits=limits.COUNT)
  patience: int = flag(
    5, 'Stop after so many epochs without a better one; 0: never stop early.', limits=limits.NATURAL
  )
  monitor: str = flag(
    'accuracy',
    'What of the validation split makes an epoch the best one, which is kept.',
    choices=monitor.RANKS,
    idle_with=('random_data',),
  )
  test: bool = flag(
    True,
    'Judge the best epoch on the test split at the end. --notest leaves it unseen, as where '
    'settings are compared; the same command without it judges later.',
  )
  folds: str = flag('', fold_flag.HELP)
  parallel_folds: int = flag(
    0,
    'Of --folds: so many are trained at a time. 0: one on each GPU, and on a machine without any '
    'one after the other.',
    limits=limits.NATURAL,
  )
  fold: int | None = flag(
    None,
    f'{fold_flag.HELP_OF_ONE}; for who shares folds out among machines.',
    limits=limits.NATURAL,
  )
  label_smoothing: float = flag(
    0.0,
    "Share of each label's weight that the loss of training spreads over all labels: 0.1 is usual.",
    limits=_SHARE,
    idle_with=('teacher_weight=1',),
  )
  class_weights: str = flag(
    'none',
    'balanced: examples of rare labels count more, so that every label counts alike.',
    choices=class_weights.CLASS_WEIGHTS,
  )
  balance_batches: bool = flag(
    False,
    'Draw each label alike into every batch, however many clips it has: an epoch takes as many '
    'clips as without, those of rare labels again and again.',
  )
  teacher: str = flag(
    '',
    'Folder of a run whose best model teaches this one (distillation, Hinton et al. 2015): the '
    'loss is that of the labels and the distance from what the teacher says of the same examples. '
    'It must know the same labels and read the same feature.',
    is_path=True,
  )
  teacher_weight: float = flag(
    0.9,
    "Share of the loss that is the distance from --teacher's labels.",
    limits=_PART,
    needs=('teacher',),
  )
  teacher_temperature: float = flag(
    4.0,
    'What the logits of both are divided by for that distance: the higher, the more the labels '
    'count that the teacher takes for less likely.',
    limits=limits.within(0.01, 1000),
    needs=('teacher',),
  )
  clip_norm: float = flag(
    0.0,
    'Shortens the gradient of a batch, over all weights, to this length if it is longer; 0: off.',
    limits=_OFF_OR_MORE,
  )
  ema: float = flag(
    0.0,
    'Keeps moving averages of the weights, of which each step leaves this share (0.999), and '
    'judges and saves the model with these; 0: off.',
    limits=_SHARE,
  )

  def __post_init__(self) -> None:
    if not self.data:
      raise errors.ConfigError('--data must name the folder of a data set, got an empty text.')
    if not files.is_raw(self.data):
      named_data.check_readable(self.data)
    object.__setattr__(self, 'augment', tuple(self.augment))  # JSON has lists only.
    command_line.check(self)
    chain.Chain(self.augment)
    self._check_raw()
    if self.compute:
      computed_feature.parse(self.compute)
    self._check_input()
    self._check_balance()
    self._check_teacher()
    strategy, _ = strategies.parse(self.strategy)
    self._check_transfer(strategy)
    optimizers.parse(self.optimizer)
    if self.jit_compile and self.deterministic:
      raise errors.ConfigError(
        '--jit_compile cannot keep the promise of --deterministic: XLA has no such kernels for max '
        'pooling. Add --nodeterministic.'
      )
    object.__setattr__(self, 'run_dir', run_folder.of_name(self.run_name, self.run_dir))
    if self.resume == RESUME_MUST and (self.overwrite or not self.run_dir):
      raise errors.ConfigError(
        '--resume=must goes on with the run in --run_dir: name one, and leave --overwrite away.'
      )
    if self.profile_steps and not self.profiled_steps:
      raise errors.ConfigError(
        f'--profile_steps: expected two steps as in 10-20, got {self.profile_steps!r}.'
      )
    schedules.check(self.schedule, epochs=self.epochs)
    self._check_folds(strategy)

  @property
  def step_examples(self) -> int:
    """Examples that a step learns from."""
    return self.batch_size * self.accumulate

  @property
  def profiled_steps(self) -> tuple[int, int] | None:
    """The first and the last step of --profile_steps; None for none, or if it is no such text."""
    first, _, last = self.profile_steps.partition('-')
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last)):
      return None
    return int(first), int(last)

  def _check_input(self) -> None:
    if self.cache == caches.DISK and not self.cache_dir:
      raise errors.ConfigError(
        '--cache=disk copies shards: name the folder for the copies by --cache_dir=FOLDER.'
      )
    if self.random_data and (self.data_service or self.cache != caches.NONE):
      raise errors.ConfigError(
        '--random_data reads no records, so --cache and --data_service have no effect with it. '
        'Leave them away.'
      )
    if not self.data_service:
      return
    service_address.split(self.data_service)
    if self.cache != caches.NONE:
      raise errors.ConfigError(
        f'--cache={self.cache} keeps records on this machine, but with --data_service others read '
        'them. Leave one of them away.'
      )
    if self.deterministic:
      raise errors.ConfigError(
        f'With --data_service={self.data_service} batches come in the order in which its workers '
        'are ready, so a run cannot be repeated bit for bit. Write --nodeterministic beside it.'
      )

  def _check_folds(self, strategy: str) -> None:
    fold_flag.check(self.folds, fold=self.fold, parallel=self.parallel_folds)
    if not self.folds:
      return
    others = {
      '--random_data': self.random_data,
      '--find_learning_rate': self.find_learning_rate,
      f'--unknown_labels={self.unknown_labels}': bool(self.unknown_labels),
      '--recipe=transfer': self.recipe == TRANSFER,
      '--strategy=multi_worker': strategy == 'multi_worker',
    }
    wrong = [name for name, is_given in others.items() if is_given]
    if wrong:
      raise errors.ConfigError(
        f'--folds={self.folds} makes several runs of the records of a data set and does not go '
        f'together with {wrong[0]}. Leave one of them away.'
      )
    if self.parallel_folds > 1 and strategy != 'none':
      raise errors.ConfigError(
        f'--strategy={strategy} spreads each run over all devices, so folds are trained one after '
        f'the other: leave --parallel_folds={self.parallel_folds} away, or --strategy, which gives '
        'each fold a device of its own.'
      )

  def _check_balance(self) -> None:
    if not self.balance_batches:
      return
    if self.random_data or self.data_service:
      other = '--random_data' if self.random_data else f'--data_service={self.data_service}'
      why = 'makes labels up' if self.random_data else 'deals records out as they are ready'
      raise errors.ConfigError(
        f'--balance_batches draws labels in turn, but {other} {why}. Leave one of them away.'
      )
    if self.class_weights != 'none':
      raise errors.ConfigError(
        f'--balance_batches draws rare labels more often, and --class_weights={self.class_weights} '
        'lets them count more: together that would be twice. Leave one of them away.'
      )

  def _check_teacher(self) -> None:
    if not self.teacher:
      return
    if self.run_dir and os.path.realpath(self.run_dir) == os.path.realpath(self.teacher):
      raise errors.ConfigError(
        f'--teacher={self.teacher} is the --run_dir too: what is trained is another model than its '
        'teacher. Name another folder for one of them.'
      )

  def _check_transfer(self, strategy: str) -> None:
    freezing.check(self.freeze)
    if self.init_from:
      object.__setattr__(self, 'model', self._model_of_origin())
    models.parse(self.model)
    if self.recipe == TRANSFER:
      self._check_recipe(strategy)

  def _check_recipe(self, strategy: str) -> None:
    missing = [name for name in ('init_from', 'run_dir') if not getattr(self, name)]
    if missing:
      raise errors.ConfigError(
        '--recipe=transfer trains from a run that was trained before, in folders of its own: name '
        f'--{" and --".join(missing)}.'
      )
    others = {
      '--freeze': self.freeze != freezing.AUTO,
      '--random_data': self.random_data,
      '--find_learning_rate': self.find_learning_rate,
      '--strategy=multi_worker': strategy == 'multi_worker',
      '--resume=must': self.resume == RESUME_MUST,
    }
    wrong = [name for name, is_given in others.items() if is_given]
    if wrong:
      raise errors.ConfigError(
        f'--recipe=transfer makes several runs and does not go together with {wrong[0]}. Leave it '
        'away, or make the runs one by one.'
      )

  def _model_of_origin(self) -> str:
    """Returns the model of the run that --init_from names, where --model does not say which."""
    if self.model != type(self).model:
      return self.model
    mine = run_folder.RunFolder(self.run_dir)
    if self.run_dir and not self.overwrite and os.path.exists(mine.config_file):
      flags = mine.read_config().get('flags')
      if isinstance(flags, dict) and flags.get('init_from') == self.init_from:
        return str(flags.get('model'))  # A run that goes on does not need the other one any more.
    return origin.model_text(self.init_from) or self.model

  def _check_raw(self) -> None:
    for name in ('sample_rate_hz', 'clip_seconds'):
      value = getattr(self, name)
      if value and not files.is_raw(self.data):
        raise errors.ConfigError(
          f'--{name}={value} is for raw files (--data=table:FILE or folders:FOLDER): the clips of '
          'a data set have the form that the data job gave them. Leave it away.'
        )

  def to_json(self) -> dict[str, Any]:
    """Returns plain strings and numbers, one per flag."""
    return dataclasses.asdict(self)
