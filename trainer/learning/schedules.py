"""How the learning rate moves over a run: the schedules that --schedule can name."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from schemas import errors, limits, options
from trainer.lazy import keras


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant(limits.Limited):
  """Settings of every schedule.

  Attributes:
    warmup_epochs: The rate climbs in a straight line to its full height over so many epochs, which
      may be a fraction; 0 begins at full height.
  """

  LIMITS = {'warmup_epochs': limits.AT_LEAST_0}

  warmup_epochs: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cosine(Constant):
  """Settings of half a cosine, from the full rate after the warm-up down to the last step.

  Attributes:
    final: What is left of the rate at the end, as a share of it, in [0, 1].
  """

  LIMITS = {'final': (0, 1)}

  final: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step(Constant):
  """Settings of stairs.

  Attributes:
    every_epochs: How long a stair is; the first one begins after the warm-up.
    factor: What the rate is multiplied by at each, in (0, 1].
  """

  LIMITS = {
    'every_epochs': limits.POSITIVE,
    'factor': limits.Limits(lambda value: 0 < value <= 1, 'in (0, 1]'),
  }

  every_epochs: float = 10.0
  factor: float = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Horizon:
  """How many steps there are to plan for.

  Attributes:
    steps_per_epoch: Steps of one epoch.
    epochs: Epochs, if nothing stops the run early.
  """

  steps_per_epoch: int
  epochs: int

  def steps(self, epochs: float) -> int:
    """Returns the steps nearest to so many epochs."""
    return round(epochs * self.steps_per_epoch)


def _constant(rate: float, settings: Constant, horizon: Horizon) -> Any:
  del settings, horizon
  return rate


def _cosine(rate: float, settings: Cosine, horizon: Horizon) -> Any:
  left = horizon.steps(horizon.epochs) - horizon.steps(settings.warmup_epochs)
  return keras.optimizers.schedules.CosineDecay(rate, max(1, left), alpha=settings.final)


def _step(rate: float, settings: Step, horizon: Horizon) -> Any:
  length = max(1, horizon.steps(settings.every_epochs))
  return keras.optimizers.schedules.ExponentialDecay(rate, length, settings.factor, staircase=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleFamily:
  """One way to move the rate.

  Attributes:
    settings: A frozen, keyword-only dataclass, a Constant.
    summary: What it does, in a few words.
    make: From the full rate to a rate or a Keras schedule, counted from the end of the warm-up.
  """

  settings: type
  summary: str
  make: Callable[[float, Any, Horizon], Any]


SCHEDULES: Mapping[str, ScheduleFamily] = {
  'constant': ScheduleFamily(settings=Constant, summary='one rate', make=_constant),
  'cosine': ScheduleFamily(
    settings=Cosine, summary='half a cosine down to the last step', make=_cosine
  ),
  'step': ScheduleFamily(settings=Step, summary='down by a factor now and then', make=_step),
}

SETTINGS: Mapping[str, type] = {name: member.settings for name, member in SCHEDULES.items()}
# From a text, such as `cosine:final=0.1`, to the name and the settings; ConfigError.
parse = functools.partial(options.parse, settings_by_name=SETTINGS, family='schedule')


def check(text: str, *, epochs: int) -> None:
  """Raises ConfigError if the text is wrong or nothing would be left behind the warm-up."""
  _, settings = parse(text)
  if settings.warmup_epochs >= epochs:
    raise errors.ConfigError(
      f'--schedule={text} warms up for {settings.warmup_epochs:g} epochs, of --epochs={epochs}. '
      'Ask for a shorter warm-up or for more epochs.'
    )


def make(
  text: str, learning_rate: float, horizon: Horizon
) -> float | keras.optimizers.schedules.LearningRateSchedule:
  """Returns what a Keras optimizer takes as its learning rate.

  Raises:
    ConfigError: if the text is wrong.
  """
  name, settings = parse(text)
  after = SCHEDULES[name].make(learning_rate, settings, horizon)
  warmup_steps = horizon.steps(settings.warmup_epochs)
  return _warmed_up(after, learning_rate, warmup_steps) if warmup_steps else after


def _warmed_up(
  after: Any, learning_rate: float, warmup_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
  class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A straight line: 1/n of the rate in the first of n steps, all of it in the last."""

    def __call__(self, step: Any) -> Any:
      step = keras.ops.cast(step, 'float32')
      climbing = learning_rate * (step + 1) / warmup_steps
      late = after(keras.ops.maximum(step - warmup_steps, 0)) if callable(after) else after
      return keras.ops.where(step < warmup_steps, climbing, late)

    def get_config(self) -> dict[str, Any]:
      return {}

  return WarmUp()
