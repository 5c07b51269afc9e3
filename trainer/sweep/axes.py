"""Over what a sweep goes: `--over=NAME=VALUES`, where NAME is a flag, or a setting inside of one.

  learning_rate=log:1e-4..1e-2    a range, drawn by its logarithm
  dropout_like=0..0.5:0.1         a range in steps
  batch_size=32|64                a list
  model=cnn|tc_resnet:width=1.5   a list of texts, which may hold commas
  augment=|cutout+spec_augment    nothing, or two of them
  model.dropout=0..0.5            a setting of the models that have it

A `|` or a `+` inside a value is written with a backslash in front.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import re
import typing
from collections.abc import Mapping
from typing import Any

from schemas import errors, options
from trainer import augment, models
from trainer import config as config_lib
from trainer.learning import optimizers, schedules

LOG, LIN = 'log', 'lin'
# Flags whose text names a member with settings.
FAMILIES: Mapping[str, Mapping[str, type]] = {
  'model': models.SETTINGS,
  'optimizer': optimizers.SETTINGS,
  'schedule': schedules.SETTINGS,
}
# A range without steps is drawn from; a list of so many values is written out for a grid.
MOST_VALUES = 10_000

_BAR = re.compile(r'(?<!\\)\|')
_PLUS = re.compile(r'(?<!\\)\+')
_NAME = re.compile(r'(\w+)(?:\.(\w+))?')
_EXAMPLES = (
  "Write --over='batch_size=32|64', --over=learning_rate=log:1e-4..1e-2 or "
  '--over=model.dropout=0..0.5:0.1.'
)


@dataclasses.dataclass(frozen=True)
class Choices:
  """A list of texts, as they stand behind the flag's equal sign."""

  texts: tuple[str, ...]

  def listed(self) -> tuple[str, ...]:
    """Returns all of them."""
    return self.texts

  def text(self, value: Any) -> str:
    """Returns how a value is written."""
    return str(value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Range:
  """Numbers from `low` to `high`, both included.

  Attributes:
    low: The least.
    high: The greatest.
    is_log: Whether they are drawn by their logarithm.
    is_integer: Whether they are whole.
    step: How far apart they are; None for any between.
  """

  low: float
  high: float
  is_log: bool
  is_integer: bool
  step: float | None

  def listed(self) -> tuple[str, ...]:
    """Returns all of them; nothing where they are too many to be listed."""
    if self.step is None:
      return ()
    count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
    if count > MOST_VALUES:
      return ()
    return tuple(self.text(self.low + index * self.step) for index in range(count))

  def text(self, value: Any) -> str:
    """Returns how a number is written: with four digits, which are the run's number too."""
    if self.is_integer:
      return str(round(value))
    rounded = float(f'{value:.4g}')
    return f'{min(max(rounded, self.low), self.high):g}'


@dataclasses.dataclass(frozen=True)
class Axis:
  """One --over.

  Attributes:
    flag: The flag.
    key: The setting inside its text; '' for the whole flag.
    values: What it goes over.
  """

  flag: str
  key: str
  values: Choices | Range

  @property
  def name(self) -> str:
    """As it is written."""
    return f'{self.flag}.{self.key}' if self.key else self.flag

  @property
  def only(self) -> str:
    """The one value of a flag that all trials have that can use it; '' where there is a choice."""
    texts = self.values.texts if isinstance(self.values, Choices) else ()
    return texts[0] if len(texts) == 1 else ''

  def value(self, text: str) -> Any:
    """Returns what the trainer's config holds for a value of this axis, which is a whole flag."""
    if is_repeated(self.flag):
      return tuple(_parts(text))
    return _number(text) if _is_number(_kinds()[self.flag]) else text

  def arguments(self, text: str) -> list[str]:
    """Returns the flags of a trial that has a value of this axis, which is a whole flag."""
    if not is_repeated(self.flag):
      return [f'--{self.flag}={text}']
    return [f'--{self.flag}={part}' for part in _parts(text)]


def _parts(text: str) -> list[str]:
  """Returns the values of a flag that may be given several times."""
  return [part.replace('\\+', '+') for part in _PLUS.split(text)] if text else []


def _is_number(kind: Any) -> bool:
  return kind in (int, float, int | None, float | None)


def _number(text: str) -> Any:
  for kind in (int, float):
    with contextlib.suppress(ValueError):
      return kind(text)
  return text  # Which the trainer refuses.


def fixed(flag: str, value: Any) -> Axis:
  """Returns the axis of a flag that has one value, wherever it has an effect."""
  if isinstance(value, list):
    text = '+'.join(part.replace('+', '\\+') for part in value)
  else:
    text = str(value).lower() if isinstance(value, bool) else str(value)
  return Axis(flag, '', Choices((text,)))


@functools.cache
def plain(flag: str, text: str) -> str:
  """Returns what all texts of one meaning have in common, as far as it is known here."""
  kind = _kinds()[flag]
  if _is_number(kind):
    number = _number(text)
    return text if isinstance(number, str) else f'{number:.17g}'
  try:
    if flag in FAMILIES:
      return _plain_member(flag, FAMILIES[flag], text)
    if flag == 'augment':
      return '+'.join(_plain_member(flag, augment.SETTINGS, part) for part in _parts(text))
  except errors.ConfigError:
    return text  # The trainer says it better.
  return text


def _plain_member(family: str, known: Mapping[str, type], text: str) -> str:
  return options.format_option(*options.parse(text, known, family=family))


def is_repeated(flag: str) -> bool:
  """Whether a flag may be given several times."""
  return _kinds()[flag] == tuple[str, ...]


def parse(text: str) -> Axis:
  """Returns what an --over says.

  Raises:
    ConfigError: if it is no such text, or there is no such flag or setting.
  """
  name, equals, rest = text.partition('=')
  match = _NAME.fullmatch(name.strip().removeprefix('--'))
  if not (equals and match):
    raise errors.ConfigError(f'--over: expected FLAG=VALUES, got {text!r}. {_EXAMPLES}')
  flag, key = match[1], match[2] or ''
  kinds = _kinds()
  if flag not in kinds:
    raise errors.ConfigError(
      f'--over={text}: the trainer has no flag --{flag}.{options.did_you_mean(flag, kinds)} '
      '`python -m trainer --help` lists them.'
    )
  kind = _setting_kind(text, flag, key) if key else kinds[flag]
  return Axis(flag, key, _values(text, rest.strip(), kind))


@functools.cache
def _kinds() -> dict[str, Any]:
  return typing.get_type_hints(config_lib.TrainConfig)


def _setting_kind(text: str, flag: str, key: str) -> Any:
  """Returns the type of a setting: whole only where it is so in every member that has it."""
  if flag not in FAMILIES:
    raise errors.ConfigError(
      f'--over={text}: --{flag} has no settings inside. Those of {", ".join(FAMILIES)} have.'
    )
  kinds = {
    typing.get_type_hints(cls)[key]
    for cls in FAMILIES[flag].values()
    if key in {field.name for field in dataclasses.fields(cls)}
  }
  if not kinds:
    known = sorted({f.name for cls in FAMILIES[flag].values() for f in dataclasses.fields(cls)})
    raise errors.ConfigError(
      f'--over={text}: no {flag} has a setting {key!r}.{options.did_you_mean(key, known)}'
    )
  return kinds.pop() if len(kinds) == 1 else float if kinds == {int, float} else str


def _values(text: str, rest: str, kind: Any) -> Choices | Range:
  is_number = _is_number(kind)
  if is_number and '..' in rest and '|' not in rest:
    return _range(text, rest, is_integer=kind in (int, int | None))
  texts = tuple(part.strip().replace('\\|', '|') for part in _BAR.split(rest))
  if len(texts) < 2:
    hint = ' Ranges (LOW..HIGH) are for numbers.' if '..' in rest and not is_number else ''
    raise errors.ConfigError(
      f'--over={text} gives one value, so there is nothing to choose.{hint} Separate values by | '
      '(and quote them), or write the flag behind `--`, for all trials.'
    )
  twice = next((one for one in texts if texts.count(one) > 1), None)
  if twice is not None:
    raise errors.ConfigError(f'--over={text} names {twice!r} twice.')
  if kind is bool:
    wrong = [one for one in texts if one not in ('true', 'false')]
    if wrong:
      raise errors.ConfigError(f'--over={text}: expected true|false, got {wrong[0]!r}.')
  return Choices(texts)


def _range(text: str, rest: str, *, is_integer: bool) -> Range:
  scale, colon, ends = rest.partition(':')
  if not colon or '..' in scale:
    scale, ends = LIN, rest
  low, _, high = ends.partition('..')
  high, _, step = high.partition(':')
  try:
    numbers = [float(one) for one in (low, high, *([step] if step else []))]
  except ValueError:
    numbers = []
  if scale not in (LOG, LIN) or not numbers or not all(map(math.isfinite, numbers)):
    raise errors.ConfigError(
      f'--over={text}: expected LOW..HIGH, log:LOW..HIGH or LOW..HIGH:STEP. {_EXAMPLES}'
    )
  first, last, width = numbers[0], numbers[1], numbers[2] if step else None
  if first >= last:
    raise errors.ConfigError(f'--over={text}: the range is empty, as {low} is not below {high}.')
  if is_integer and not all(number == int(number) for number in numbers):
    raise errors.ConfigError(f'--over={text} takes whole numbers only.')
  is_log = scale == LOG
  if is_log and first <= 0:
    raise errors.ConfigError(
      f'--over={text}: the logarithm wants a range above 0, and {low} is not. Begin at a small '
      'number such as 1e-5, or leave `log:` away.'
    )
  if width is not None:
    if is_log or not 0 < width <= last - first:
      why = 'log: has no steps' if is_log else f'a step is above 0 and at most {last - first:g}'
      raise errors.ConfigError(f'--over={text}: {why}. Write values in a list: 1e-4|1e-3|1e-2.')
    last = first + math.floor((last - first) / width + 1e-9) * width
  elif is_integer and not is_log:
    width = 1
  return Range(low=first, high=last, is_log=is_log, is_integer=is_integer, step=width)
