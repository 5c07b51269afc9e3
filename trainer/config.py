"""Everything that a run is asked to do, checked at birth."""

import dataclasses
import math
import os
from collections.abc import Collection
from typing import Any

from schemas import errors, options
from tfrecords.pipeline import caches
from trainer import models
from trainer.augment import chain
from trainer.data import input_checks
from trainer.data.raw import files
from trainer.devices import strategies
from trainer.judging import monitor
from trainer.learning import class_weights, optimizers, precision, schedules
from trainer.models import front_end

RESUME_AUTO, RESUME_MUST, RESUME_NEVER = 'auto', 'must', 'never'
RESUMES = (RESUME_AUTO, RESUME_MUST, RESUME_NEVER)

RUNS = 'runs'  # Where run folders lie that --run_dir does not name.
DEMO_DATA = 'demo/data'


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """One field per flag; what the flags say stands in flags.py.

  Attributes:
    sample_rate_hz: Of raw files; 0: what the first file has.
    clip_seconds: Length of the clips of raw files; 0: raw_files.CLIP_S.
    compute: What the model computes of `feature` by itself; '' for nothing.
    augment: What is done to the train split as it is read, in this order.
    cache_dir: With the cache `disk` alone.
    data_service: Address of a dispatcher; '' where this process reads.
    batch_size: Examples per step, over all devices.
    learning_rate: None for the model's own (ModelFamily.learning_rate).
    clip_norm: 0 leaves gradients as they are.
    ema: Share that averages of the weights keep in each step; 0 keeps no averages.
    patience: Epochs without a better one before training stops; 0 never stops early.
    steps_per_execution: Steps between two looks at the numbers, at most. With `cnn` and 98x80
      features on 2 cores 16 steps take a second, and the overhead cannot be measured any more.
  """

  data: str = DEMO_DATA
  run_dir: str = ''
  run_name: str = ''
  overwrite: bool = False
  resume: str = RESUME_AUTO
  checkpoint_steps: int = 0
  checkpoint_minutes: float = 10.0
  keep_checkpoints: int = 2
  model: str = 'cnn'
  feature: str = ''
  sample_rate_hz: int = 0
  clip_seconds: float = 0.0
  compute: str = ''
  augment: tuple[str, ...] = ()
  cache: str = caches.NONE
  cache_dir: str = ''
  random_data: bool = False
  data_service: str = ''
  strategy: str = 'none'
  virtual_devices: int = 0
  precision: str = precision.FLOAT32
  tf32: bool = True
  jit_compile: bool = False
  optimizer: str = 'adam'
  learning_rate: float | None = None
  scale_learning_rate: str = 'none'
  schedule: str = 'constant'
  label_smoothing: float = 0.0
  class_weights: str = 'none'
  clip_norm: float = 0.0
  ema: float = 0.0
  batch_size: int = 64
  epochs: int = 30
  patience: int = 5
  monitor: str = 'accuracy'
  seed: int = 0
  steps_per_execution: int = 16
  histograms: bool = False
  profile_steps: str = ''
  deterministic: bool = True

  def __post_init__(self) -> None:
    if not self.data:
      raise errors.ConfigError('--data must name the folder of a data set, got an empty text.')
    object.__setattr__(self, 'augment', tuple(self.augment))  # JSON has lists only.
    chain.Chain(self.augment)
    _check_raw(self.data, self.sample_rate_hz, self.clip_seconds)
    if self.compute:
      front_end.parse(self.compute)
    input_checks.check_flags(
      cache=self.cache,
      cache_dir=self.cache_dir,
      random_data=self.random_data,
      data_service=self.data_service,
      deterministic=self.deterministic,
    )
    models.parse(self.model)
    strategies.parse(self.strategy)
    _check_choice('precision', self.precision, precision.POLICIES)
    optimizers.parse(self.optimizer)
    _check_choice('scale_learning_rate', self.scale_learning_rate, optimizers.SCALINGS)
    _check_choice('class_weights', self.class_weights, class_weights.CLASS_WEIGHTS)
    _check_choice('monitor', self.monitor, monitor.RANKS)
    for name in ('batch_size', 'epochs', 'steps_per_execution'):
      _check_range(name, getattr(self, name), 1)
    for name in ('virtual_devices', 'patience', 'seed'):
      _check_range(name, getattr(self, name), 0)
    rate = self.learning_rate
    if rate is not None and not (math.isfinite(rate) and rate > 0):
      raise errors.ConfigError(f'--learning_rate must be positive, got {self.learning_rate}.')
    if self.jit_compile and self.deterministic:
      raise errors.ConfigError(
        '--jit_compile cannot keep the promise of --deterministic: XLA has no such kernels for max '
        'pooling. Add --nodeterministic.'
      )
    self._check_run_name()
    self._check_resuming()
    if self.profile_steps and not self.profiled_steps:
      raise errors.ConfigError(
        f'--profile_steps: expected two steps as in 10-20, got {self.profile_steps!r}.'
      )
    schedules.check(self.schedule, epochs=self.epochs)
    _check_share('label_smoothing', self.label_smoothing)
    _check_share('ema', self.ema)
    if not (math.isfinite(self.clip_norm) and self.clip_norm >= 0):
      raise errors.ConfigError(f'--clip_norm must be 0 (off) or more, got {self.clip_norm}.')
    strategy = strategies.parse(self.strategy)[0]
    if self.virtual_devices and strategy != 'mirrored':
      raise errors.ConfigError(
        f'--virtual_devices={self.virtual_devices} has no effect with --strategy={strategy}. Write '
        '--strategy=mirrored, or leave --virtual_devices away.'
      )

  @property
  def profiled_steps(self) -> tuple[int, int] | None:
    """The first and the last step of --profile_steps; None for none, or if it is no such text."""
    first, _, last = self.profile_steps.partition('-')
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last)):
      return None
    return int(first), int(last)

  def _check_run_name(self) -> None:
    if not self.run_name:
      return
    if self.run_name in ('.', '..') or set(self.run_name) & set('/\\'):
      raise errors.ConfigError(f'--run_name must be the name of a folder, got {self.run_name!r}.')
    path = os.path.join(RUNS, self.run_name)
    if self.run_dir not in ('', path):
      raise errors.ConfigError(
        f'--run_name={self.run_name} stands for --run_dir={path}: give one of the two.'
      )
    object.__setattr__(self, 'run_dir', path)

  def _check_resuming(self) -> None:
    _check_choice('resume', self.resume, RESUMES)
    _check_range('checkpoint_steps', self.checkpoint_steps, 0)
    _check_range('keep_checkpoints', self.keep_checkpoints, 1)
    if not (math.isfinite(self.checkpoint_minutes) and self.checkpoint_minutes >= 0):
      raise errors.ConfigError(
        f'--checkpoint_minutes must be 0 (off) or more, got {self.checkpoint_minutes}.'
      )
    if self.resume == RESUME_MUST and (self.overwrite or not self.run_dir):
      raise errors.ConfigError(
        '--resume=must goes on with the run in --run_dir: name one, and leave --overwrite away.'
      )

  def to_json(self) -> dict[str, Any]:
    """Returns plain strings and numbers, one per flag."""
    return dataclasses.asdict(self)


def _check_raw(data: str, sample_rate_hz: int, clip_seconds: float) -> None:
  for name, value in (('sample_rate_hz', sample_rate_hz), ('clip_seconds', clip_seconds)):
    if not (math.isfinite(value) and value >= 0):
      raise errors.ConfigError(f'--{name} must be positive, or 0 for the usual, got {value}.')
    if value and not files.is_raw(data):
      raise errors.ConfigError(
        f'--{name}={value} is for raw files (--data=table:FILE or folders:FOLDER): the clips of a '
        'data set have the form that the data job gave them. Leave it away.'
      )


def _check_choice(name: str, value: str, known: Collection[str]) -> None:
  if value not in known:
    raise errors.ConfigError(
      f'--{name}: expected one of {", ".join(known)}, got {value!r}.'
      f'{options.did_you_mean(value, known)}'
    )


def _check_share(name: str, value: float) -> None:
  if not 0 <= value < 1:  # Also for NaN.
    raise errors.ConfigError(f'--{name} must be in [0, 1), got {value}; 0 is off.')


def _check_range(name: str, value: int, minimum: int) -> None:
  # 2**31 is where TensorFlow's counters and NumPy's seeds end.
  if not minimum <= value < 2**31:
    raise errors.ConfigError(f'--{name} must be at least {minimum} and below 2**31, got {value}.')
