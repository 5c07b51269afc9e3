"""Reads `name:key=value,key=value`, the one way in which a member of a family is written.

Sources, features, models, strategies and split rules are families: a literal table from names to
settings classes. A settings class is a frozen dataclass with int, float, str and bool fields.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from schemas import errors

_TRUE = ('true', '1', 'yes', 'on')
_FALSE = ('false', '0', 'no', 'off')
_COMMA = re.compile(r'(?<!\\),')
_PARTS = re.compile(r'[_.-]')


def parse(text: str, settings_by_name: Mapping[str, type], *, family: str) -> tuple[str, Any]:
  r"""Returns the name and the settings that `text` asks for.

  Args:
    text: Such as `log_mel` or `log_mel:num_mels=64,low_hz=60`. A comma inside a value is
      written `\,`; a value may hold colons and equal signs.
    settings_by_name: The family's table: from a member's name to its settings class.
    family: What the members are called in errors, such as `feature`.

  Raises:
    ConfigError: for an unknown name or key (the text lists the known ones), a value that is not
      of the field's type, or a value that the settings class refuses.
  """
  name, _, rest = text.partition(':')
  name = name.strip()
  if name not in settings_by_name:
    raise errors.ConfigError(
      f'No {family} is called {name!r}.{did_you_mean(name, settings_by_name)} '
      f'Known: {", ".join(sorted(settings_by_name))}.'
    )
  cls = settings_by_name[name]
  fields = {field.name: field for field in dataclasses.fields(cls)}
  values: dict[str, Any] = {}
  before = ''
  for part in _COMMA.split(rest) if rest.strip() else []:
    key, equals, value = part.replace(r'\,', ',').partition('=')
    key = key.strip()
    if not equals:
      raise errors.ConfigError(
        f'{family} {name!r}: expected key=value, got {part!r}. Write '
        f'{name}:key=value,key=value; keys: {_listed(fields)}.{_comma_meant(before, part)}'
      )
    if key not in fields:
      raise errors.ConfigError(
        f'{family} {name!r} has no setting {key!r}.{did_you_mean(key, fields)} '
        f'It has: {_listed(fields)}.{_comma_meant(before, part)}'
      )
    if key in values:
      raise errors.ConfigError(f'{family} {name!r}: setting {key!r} is given twice.')
    before = part
    values[key] = _read_value(value, fields[key].type, where=f'{family} {name!r}, {key}')
  return name, build(cls, values, where=f'{family} {name!r}')


def build(cls: type, values: Mapping[str, Any], *, where: str) -> Any:
  """Returns `cls(**values)`; what the class refuses becomes a ConfigError that says where."""
  try:
    return cls(**values)
  except (TypeError, ValueError) as error:
    raise errors.ConfigError(f'{where}: {error}') from error


def format_option(name: str, settings: Any) -> str:
  """Returns the shortest text that `parse` reads back as (name, settings)."""
  parts = []
  for field in dataclasses.fields(settings):
    value = getattr(settings, field.name)
    if value != field.default:
      parts.append(f'{field.name}={_text(value)}'.replace(',', r'\,'))
  return f'{name}:{",".join(parts)}' if parts else name


def defaults(cls: type) -> str:
  """Returns a member's settings as its user finds them, such as `num_mels=80, low_hz=20.0`."""
  return ', '.join(f'{field.name}={_text(field.default)}' for field in dataclasses.fields(cls))


def described(settings_by_name: Mapping[str, type]) -> str:
  """Returns the members of a family with their settings, for --help."""
  return '; '.join(f'{name} ({defaults(cls)})' for name, cls in settings_by_name.items())


def did_you_mean(wrong: str, known: Collection[str]) -> str:
  """Returns ` Did you mean 'x'?`, or nothing where no known word is near."""
  # A whole part of a name is nearer than another name of the same letters: float16 is
  # mixed_float16, and not float32.
  whole = [name for name in known if wrong.lower() in _PARTS.split(name)]
  near = sorted(whole, key=len)[:1] or difflib.get_close_matches(wrong, sorted(known), n=1)
  return f' Did you mean {near[0]!r}?' if near else ''


def check_table(settings_by_name: Mapping[str, type]) -> None:
  """Raises SchemaError for a settings class with fields that no text can give."""
  for name, cls in settings_by_name.items():
    if not (dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen):  # type: ignore[attr-defined]
      raise errors.SchemaError(f'{name}: settings must be a frozen dataclass, got {cls}.')
    for field in dataclasses.fields(cls):
      if _type_name(field.type) not in _READERS:
        raise errors.SchemaError(
          f'{name}.{field.name}: settings are of type {", ".join(_READERS)}, got {field.type}.'
        )


def _text(value: Any) -> str:
  return str(value).lower() if isinstance(value, bool) else str(value)


def _comma_meant(before: str, part: str) -> str:
  """Returns how a comma is written that may have been meant as a part of the value before it."""
  if not before:
    return ''
  return f" A comma inside a value is written '\\,', in quotes: '{before}\\,{part}'."


def _listed(fields: Collection[str]) -> str:
  return ', '.join(fields) if fields else 'no settings'


def _read_bool(text: str) -> bool:
  lowered = text.strip().lower()
  if lowered in _TRUE:
    return True
  if lowered in _FALSE:
    return False
  raise ValueError(text)


_READERS: Mapping[str, Callable[[str], Any]] = {
  'bool': _read_bool,
  'int': int,
  'float': float,
  'str': str,
}


def _type_name(declared: Any) -> str:
  return declared if isinstance(declared, str) else getattr(declared, '__name__', str(declared))


def _read_value(text: str, declared: Any, *, where: str) -> Any:
  type_name = _type_name(declared)
  try:
    return _READERS[type_name](text)
  except ValueError:
    wanted = 'true or false' if type_name == 'bool' else type_name
    raise errors.ConfigError(f'{where}: expected {wanted}, got {text!r}.') from None
