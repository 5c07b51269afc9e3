"""All that the trials of a sweep may be: which flags each has, and which are asked of a search."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from schemas import command, errors
from tfrecords import command_line
from trainer import config as config_lib
from trainer.sweep import axes as axes_lib

# So many combinations of listed values are checked before the first trial; of more each by itself.
_MOST_CHECKED = 500
FIELDS = {field.name: field for field in dataclasses.fields(config_lib.TrainConfig)}


def _flags_alone(config: config_lib.TrainConfig) -> None:
  """Refuses nothing that the flags do not."""
  del config


@dataclasses.dataclass(frozen=True)
class Space:
  """What a sweep goes over, and what all its trials have.

  Attributes:
    axes: In the order given; settings of a flag behind the flag, and at the end flags that were
      given for all trials and that not all can use.
    passed: The trainer's flags that all trials have, as they were typed.
    base: The same, read.
    look: Raises what the trainer would, beside its flags, of a trial before it begins.
  """

  axes: tuple[axes_lib.Axis, ...]
  passed: tuple[str, ...]
  base: config_lib.TrainConfig
  look: Callable[[config_lib.TrainConfig], None] = dataclasses.field(
    default=_flags_alone, compare=False
  )

  @functools.cached_property
  def _in_turn(self) -> tuple[axes_lib.Axis, ...]:
    """The axes as they are chosen: those on which it depends whether another is meant first."""
    left, found = list(self.axes), list[axes_lib.Axis]()
    while left:
      names = {axis.name for axis in left}
      # The table of flags has no circles; a flag is no condition of itself.
      free = next(axis for axis in left if not _hangs_on(axis) & names)
      left.remove(free)
      found.append(free)
    return tuple(found)

  def applicable(self, chosen: Mapping[str, str]) -> Iterator[axes_lib.Axis]:
    """Yields the axes of a trial, those that hang on a flag behind it.

    Args:
      chosen: The texts of the axes yielded so far, by name; whoever iterates fills it.
    """
    for axis in self._in_turn:
      if self._is_meant(axis, chosen):
        yield axis

  def _is_meant(self, axis: axes_lib.Axis, chosen: Mapping[str, str]) -> bool:
    """Whether an axis makes a difference beside what was chosen before it."""
    return not self.why_idle(axis, chosen) and (not axis.key or self._takes(axis, chosen))

  def why_idle(self, axis: axes_lib.Axis, chosen: Mapping[str, str]) -> str:
    """Returns why the flag of an axis has no effect beside what was chosen; '' where it has."""
    field = FIELDS[axis.flag]
    if not command_line.conditions(field):
      return ''
    beside = copy.copy(self.base)  # Not checked: it is asked for nothing else.
    vars(beside).update(
      (one.flag, one.value(chosen[one.name]))
      for one in self.axes
      if one.name in chosen and not one.key
    )
    return command_line.why_idle(beside, field)

  def _takes(self, axis: axes_lib.Axis, chosen: Mapping[str, str]) -> bool:
    """Whether the member that is chosen has a setting, and does not fix it."""
    text = chosen.get(axis.flag, getattr(self.base, axis.flag))
    name, settings = text.partition(':')[0].strip(), text.partition(':')[2]
    cls = axes_lib.FAMILIES[axis.flag].get(name)
    has = cls is not None and axis.key in {field.name for field in dataclasses.fields(cls)}
    return has and axis.key not in {part.partition('=')[0].strip() for part in settings.split(',')}

  def arguments(self, chosen: Mapping[str, str]) -> list[str]:
    """Returns the flags of a trial beside those that all have."""
    found = []
    for axis in self.axes:
      if not axis.key and axis.name in chosen:
        text = self._with_settings(axis.flag, chosen[axis.name], chosen)
        found += axis.arguments(text)
    for flag in dict.fromkeys(axis.flag for axis in self.axes if axis.key):
      if flag not in chosen:
        text = self._with_settings(flag, getattr(self.base, flag), chosen)
        found += [f'--{flag}={text}'] if text != getattr(self.base, flag) else []
    return found

  def _with_settings(self, flag: str, text: str, chosen: Mapping[str, str]) -> str:
    """Returns the text of a flag with the settings that were chosen for it."""
    pairs = [
      f'{axis.key}={chosen[axis.name]}'.replace(',', '\\,')
      for axis in self.axes
      if axis.key and axis.flag == flag and axis.name in chosen
    ]
    return f'{text}{"," if ":" in text else ":"}{",".join(pairs)}' if pairs else text

  def config(self, chosen: Mapping[str, str], *others: str) -> config_lib.TrainConfig:
    """Returns what a trial is asked to do; ConfigError in the trainer's words where it is wrong."""
    return read(self.arguments_of_trial(chosen, *others))

  def arguments_of_trial(self, chosen: Mapping[str, str], *others: str) -> list[str]:
    """Returns all flags of a trial.

    Those of the settings inside a flag come last: of two the trainer takes the later.
    """
    return [*self.passed, *self.arguments(chosen), *others]

  def refusal(self, chosen: Mapping[str, str]) -> errors.VoxshardError | None:
    """Returns with what the trainer refuses a trial before it begins; None where it takes it.

    Raises:
      StorageError: if a disk or a server does not answer, which says nothing about the trial.
    """
    key = tuple(chosen.items())
    if key not in self._refusals:
      self._refusals[key] = self._refusal(chosen)
    return self._refusals[key]

  @functools.cached_property
  def _refusals(self) -> dict[tuple[tuple[str, str], ...], errors.VoxshardError | None]:
    return {}

  def _refusal(self, chosen: Mapping[str, str]) -> errors.VoxshardError | None:
    try:
      self.look(self.config(chosen))
    except errors.StorageError:
      raise
    except errors.VoxshardError as error:
      return error
    return None

  def grid(self) -> list[dict[str, str]]:
    """Returns every training that the trainer takes, the last axis the quickest.

    Raises:
      ConfigError: if an axis cannot be listed.
    """
    return [chosen for chosen in self.trainings() if not self.refusal(chosen)]

  def trainings(self) -> list[dict[str, str]]:
    """Returns every combination once, also those that the trainer refuses.

    Raises:
      ConfigError: if an axis cannot be listed, or they are too many.
    """
    for axis in self.axes:
      if not axis.values.listed():
        raise errors.ConfigError(
          f'--over={axis.name} is a range, and a grid wants every value: list them (1e-4|1e-3), '
          'give a range a step (0..0.5:0.1), or write --search=random or --search=tpe.'
        )
    return self.each_once[0]

  @functools.cached_property
  def each_once(self) -> tuple[list[dict[str, str]], list[tuple[dict[str, str], dict[str, str]]]]:
    """Returns the trainings of a grid, and what is the same as one of them by other words."""
    listed = {axis.name: axis.values.listed() for axis in self.axes}
    return self.distinct(self._combinations(listed))

  def distinct(
    self, combinations: Iterable[dict[str, str]]
  ) -> tuple[list[dict[str, str]], list[tuple[dict[str, str], dict[str, str]]]]:
    """Returns those that are trainings of their own, and the others with what they are again."""
    first: dict[Any, dict[str, str]] = {}
    same = []
    for chosen in combinations:
      known = first.setdefault(self.training(chosen), chosen)
      if known is not chosen:
        same.append((chosen, known))
    return list(first.values()), same

  def training(self, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what two trials have in common if they are the same training: all that they choose.

    However it is written: settings that are those by default, 0.10 and 0.1, flags that are what
    they are by themselves.
    """
    found = []
    for flag in dict.fromkeys(axis.flag for axis in self.axes):
      text = chosen.get(flag)
      if text is None:
        default = getattr(self.base, flag)
        text = '+'.join(default) if isinstance(default, tuple) else f'{default}'
      found.append(axes_lib.plain(flag, self._with_settings(flag, text, chosen)))
    return tuple(found)

  def _combinations(self, listed: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Yields what can be made of some values of each axis."""
    done: list[dict[str, str]] = [{}]
    for axis in self._in_turn:
      grown = []
      for chosen in done:
        texts = listed[axis.name] if self._is_meant(axis, chosen) else ()
        grown += [{**chosen, axis.name: text} for text in texts] if texts else [chosen]
        if len(grown) > axes_lib.MOST_VALUES:
          raise errors.ConfigError(
            f'The values of --over make more than {axes_lib.MOST_VALUES:,} combinations. Leave '
            'some away, or write --search=random or --search=tpe.'
          )
      done = grown
    for chosen in done:
      yield {axis.name: chosen[axis.name] for axis in self.axes if axis.name in chosen}

  def samples(self) -> list[dict[str, str]]:
    """Returns trials in which every listed value and both ends of every range stand.

    All combinations where these are few.
    """
    if self.has_few:
      return list(self._combinations({axis.name: _shown(axis.values) for axis in self.axes}))
    return list(itertools.chain.from_iterable(map(self.sampled, self.axes)))

  @property
  def has_few(self) -> bool:
    """Whether all combinations of listed values and ends of ranges are samples."""
    return math.prod(len(_shown(axis.values)) for axis in self.axes) <= _MOST_CHECKED

  def drawn(self, name: str, text: str) -> Iterator[dict[str, str]]:
    """Yields trials that have one value, beside others at random, the same ones every time."""
    draw = random.Random(0)
    for _ in range(_MOST_CHECKED):
      chosen: dict[str, str] = {}
      for axis in self.applicable(chosen):
        chosen[axis.name] = text if axis.name == name else draw.choice(_shown(axis.values))
      if name in chosen:
        yield {axis.name: chosen[axis.name] for axis in self.axes if axis.name in chosen}

  def sampled(self, axis: axes_lib.Axis) -> list[dict[str, str]]:
    """Returns trials with each value of an axis beside each of those on which it hangs."""
    shown = {one.name: _shown(one.values) for one in self.axes}
    free = {axis.name}
    while more := {name for one in self.axes if one.name in free for name in _hangs_on(one)} - free:
      free |= more
    return list(
      self._combinations({n: texts if n in free else texts[:1] for n, texts in shown.items()})
    )


def _hangs_on(axis: axes_lib.Axis) -> set[str]:
  """Returns the flags of which it depends whether an axis makes a difference."""
  return command_line.conditions(FIELDS[axis.flag]) | ({axis.flag} if axis.key else set())


def _shown(values: axes_lib.Choices | axes_lib.Range) -> tuple[str, ...]:
  if isinstance(values, axes_lib.Choices):
    return values.texts
  return values.text(values.low), values.text(values.high)


def read(arguments: Sequence[str]) -> config_lib.TrainConfig:
  """Returns the trainer's config; ConfigError in its words where it refuses."""
  if command.is_on('help', arguments):
    raise errors.ConfigError('--help stands behind `--`: `python -m trainer --help` shows those.')
  config = command_line.parse(config_lib.TrainConfig, arguments, description='')
  assert config is not None
  return config


def describe(chosen: Mapping[str, Any]) -> str:
  """Returns what a trial has, such as `learning_rate=0.003, model=cnn`."""
  return ', '.join(f'{name}={text or "none"}' for name, text in chosen.items())
