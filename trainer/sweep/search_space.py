"""All that the trials of a sweep may be: which flags each has, and which are asked of a search."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas import errors
from tfrecords import command_line
from trainer import config as config_lib
from trainer.sweep import axes as axes_lib

# From a flag to why no sweep may be given it.
_OWN = 'every trial has a folder of its own below --output'
FORBIDDEN: Mapping[str, str] = {
  'run_dir': _OWN,
  'run_name': _OWN,
  'overwrite': 'the same command goes on with what is in --output; for a new sweep name another',
  'resume': 'a trial goes on where it was stopped',
  'test': 'no trial sees the test split; --judge says who does at the end',
  'find_learning_rate': 'it trains nothing',
  'random_data': 'it has no validation split to choose by',
  'recipe': 'it makes several runs',
  'fold': 'a trial is all folds',
}
# Flags that say what better means, or how it is found out.
_SAME_FOR_ALL = ('folds', 'monitor')
# So many combinations of listed values are checked before the first trial; of more each by itself.
_MOST_CHECKED = 500
# So many combinations that are the same as others are named.
_SAID = 4
_FIELDS = {field.name: field for field in dataclasses.fields(config_lib.TrainConfig)}


@dataclasses.dataclass(frozen=True)
class Space:
  """What a sweep goes over, and what all its trials have.

  Attributes:
    axes: In the order given; settings of a flag behind the flag, and at the end flags that were
      given for all trials and that not all can use.
    passed: The trainer's flags that all trials have, as they were typed.
    base: The same, read.
  """

  axes: tuple[axes_lib.Axis, ...]
  passed: tuple[str, ...]
  base: config_lib.TrainConfig

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
    field = _FIELDS[axis.flag]
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

  def grid(self) -> list[dict[str, str]]:
    """Returns every combination, the last axis the quickest.

    Raises:
      ConfigError: if an axis cannot be listed.
    """
    for axis in self.axes:
      if not axis.values.listed():
        raise errors.ConfigError(
          f'--over={axis.name} is a range, and a grid wants every value: list them (1e-4|1e-3), '
          'give a range a step (0..0.5:0.1), or write --search=random or --search=tpe.'
        )
    return self._each_once()[0]

  def _each_once(self) -> tuple[list[dict[str, str]], list[tuple[dict[str, str], dict[str, str]]]]:
    """Returns the trainings of a grid, and what is the same as one of them by other words."""
    first: dict[Any, dict[str, str]] = {}
    same = []
    for chosen in self._combinations({axis.name: axis.values.listed() for axis in self.axes}):
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

  @functools.cached_property
  def left_out(self) -> list[str]:
    """Returns what is to be known of combinations of --over that are no trainings of their own."""
    notes = []
    for axis in self.axes:
      why = self._idle_beside(axis)
      if why:
        notes.append(why)
    try:
      trainings, same = self._each_once()
    except errors.ConfigError:  # Too many to be counted.
      return notes
    listed = [axis.values.listed() for axis in self.axes]
    if not all(listed):
      return notes
    count = math.prod(map(len, listed))
    if count == len(trainings):
      return notes
    first = (
      f'{count:,} combinations of --over are {errors.counted(len(trainings), "training")}: what '
      'would be the same is tried once'
    )
    notes += [f'{describe(one)} is the same as {describe(other)}' for one, other in same[:_SAID]]
    if len(same) > _SAID:
      notes.append(f'and {errors.counted(len(same) - _SAID, "combination")} more')
    return [first, *notes]

  def _idle_beside(self, axis: axes_lib.Axis) -> str:
    """Returns beside what an axis makes no difference; '' where it always does."""
    for chosen in self._sampled(axis):
      if axis.name in chosen:
        continue
      if why := self.why_idle(axis, chosen):
        return f'{axis.name} {why.partition(". ")[0]}: such a trial goes without it'
      return f'{axis.name} is of some --{axis.flag} only: the others go without it'
    return ''

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
    shown = {axis.name: _shown(axis.values) for axis in self.axes}
    if math.prod(map(len, shown.values())) <= _MOST_CHECKED:
      return list(self._combinations(shown))
    return list(itertools.chain.from_iterable(map(self._sampled, self.axes)))

  def _sampled(self, axis: axes_lib.Axis) -> list[dict[str, str]]:
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
  return command_line.conditions(_FIELDS[axis.flag]) | ({axis.flag} if axis.key else set())


def _shown(values: axes_lib.Choices | axes_lib.Range) -> tuple[str, ...]:
  if isinstance(values, axes_lib.Choices):
    return values.texts
  return values.text(values.low), values.text(values.high)


def read(arguments: Sequence[str]) -> config_lib.TrainConfig:
  """Returns the trainer's config; ConfigError in its words where it refuses."""
  config = command_line.parse(config_lib.TrainConfig, arguments, description='')
  if config is None:
    raise errors.ConfigError('--help stands behind `--`: `python -m trainer --help` shows those.')
  return config


def make(over: Sequence[str], passed: Sequence[str]) -> Space:
  """Returns the space of --over and the trainer's flags, checked as far as flags tell.

  Raises:
    ConfigError: if it is none, in the trainer's own words where a trial's flags are wrong.
  """
  if not over:
    raise errors.ConfigError(
      'Name what the sweep goes over, once for each flag: '
      "--over='batch_size=32|64' --over=learning_rate=log:1e-4..1e-2."
    )
  axes = [axes_lib.parse(text) for text in over]
  names = [axis.name for axis in axes]
  twice = next((name for name in names if names.count(name) > 1), None)
  if twice:
    raise errors.ConfigError(f'--over={twice}=... is given twice. Put all values into one.')
  given = command_line.given(config_lib.TrainConfig, passed)
  for name in [*given, *(axis.flag for axis in axes)]:
    if name in FORBIDDEN:
      raise errors.ConfigError(f'A sweep takes no --{name}: {FORBIDDEN[name]}. Leave it away.')
  for axis in axes:
    if axis.flag in _SAME_FOR_ALL:
      raise errors.ConfigError(
        f'--over={axis.name}: trials are compared by it, so it is the same for all. Write '
        f'--{axis.flag}=... behind `--`.'
      )
    if not axis.key and axis.flag in given:
      raise errors.ConfigError(
        f'--{axis.flag} is given for all trials, and --over goes over it. Leave one of them away.'
      )
  # Settings behind the flags that they are settings of.
  axes = sorted(axes, key=lambda axis: bool(axis.key))
  space = _with_hanging(axes, tuple(passed), given)
  _check(space)
  return space


def _with_hanging(
  axes: Sequence[axes_lib.Axis], passed: tuple[str, ...], given: Sequence[str]
) -> Space:
  """Returns a space in which a flag that only some trials can use is an axis of one value."""
  names = [axis.flag for axis in axes]
  while more := [
    name
    for name in given
    if name not in names and command_line.conditions(_FIELDS[name]) & set(names)
  ]:
    names += more
  hanging = names[len(axes) :]
  while True:
    kept, values = command_line.taken_out(config_lib.TrainConfig, passed, hanging)
    fixed = [axes_lib.fixed(name, values[name]) for name in hanging]
    space = Space((*axes, *fixed), kept, read(kept))
    always = {
      axis.flag
      for axis in fixed
      if all(axis.name in chosen for chosen in space.samples())
    }  # fmt: skip
    if not always:
      return space
    hanging = [name for name in hanging if name not in always]


def _check(space: Space) -> None:
  samples = space.samples()
  for axis in space.axes:
    if any(axis.name in chosen for chosen in samples):
      continue
    if why := space.why_idle(axis, samples[0]):
      text = f'--{axis.flag}={axis.only}' if axis.only else f'--over={axis.name}'
      raise errors.ConfigError(f'{text}: in every trial it {why}')
    text = getattr(space.base, axis.flag)
    raise errors.ConfigError(
      f'--over={axis.name}: no --{axis.flag} of this sweep has such a setting, or it is fixed in '
      f'the text already (--{axis.flag}={text}).'
    )
  for chosen in samples:
    config = space.config(chosen)
    if config.strategy.partition(':')[0] == 'multi_worker':
      raise errors.ConfigError(
        '--strategy=multi_worker: a trial is one process. Run the same sweep on several machines '
        'that share --output instead: each takes trials.'
      )


def describe(chosen: Mapping[str, Any]) -> str:
  """Returns what a trial has, such as `learning_rate=0.003, model=cnn`."""
  return ', '.join(f'{name}={text or "none"}' for name, text in chosen.items())
