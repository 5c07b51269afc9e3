"""Reads parsed JSON field by field, with errors that name the place: `manifest.json, shards[3]`."""

import dataclasses
import json
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any, Self

from schemas import errors


def dumps(value: Any) -> str:
  """Returns the one JSON text for `value`: sorted keys, two spaces, a newline at the end."""
  return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + '\n'


class Reader:
  """The fields of one JSON object, each checked for its type when it is asked for."""

  def __init__(self, value: Any, where: str, *, is_older: bool = False) -> None:
    if not isinstance(value, Mapping):
      raise errors.SchemaError(f'{where}: expected an object, got {type(value).__name__}.')
    self._value = value
    self._where = where
    self._is_older = is_older

  def read(self, key: str, form: Any) -> Any:
    """Returns what a field of the type `form` holds, one of _READERS or made of Fields."""
    if form in _READERS:
      values = _READERS[form](self, key)
      return tuple(values) if isinstance(values, list) else values
    inner, where = typing.get_args(form), f'{self._where}, {key}'
    if typing.get_origin(form) is tuple:
      items = enumerate(self.items(key))
      return tuple(self._inner(inner[0], item, f'{where}[{i}]') for i, item in items)
    if typing.get_origin(form) is Mapping:
      objects = self.mapping(key).items()
      return {name: self._inner(inner[1], item, f'{where}.{name}') for name, item in objects}
    # One, or where the type says so None.
    if inner and self.is_null(key):
      return None
    return self._inner(inner[0] if inner else form, self.mapping(key), where)

  def _inner(self, form: Any, value: Any, where: str) -> Any:
    return form.from_json(value, where=where, is_older=self._is_older)

  def is_silent_on(self, field: 'dataclasses.Field[Any]') -> bool:
    """Whether an older program wrote the object, which did not know the field yet."""
    has_default = (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
    return self._is_older and has_default and field.name not in self._value

  def text(self, key: str) -> str:
    """Returns a string."""
    text: str = self._get(key, str, 'a string')
    return text

  def integer(self, key: str) -> int:
    """Returns a whole number."""
    number: int = self._get(key, int, 'a whole number')
    return number

  def number(self, key: str) -> float:
    """Returns a number."""
    return self._float(key, self._get(key, (int, float), 'a number'))

  def mapping(self, key: str) -> dict[str, Any]:
    """Returns an object."""
    return dict(self._get(key, Mapping, 'an object'))

  def is_null(self, key: str) -> bool:
    """Returns whether the field is there and is null."""
    return key in self._value and self._value[key] is None

  def truth(self, key: str) -> bool | None:
    """Returns true or false, or None where it is null."""
    value = self._value.get(key)
    if isinstance(value, bool) or self.is_null(key):
      return value
    self._get(key, (), 'true, false or null')  # Which there is no type for.
    return None

  def items(self, key: str) -> list[Any]:
    """Returns a list."""
    return list(self._get(key, list, 'a list'))

  def integers(self, key: str) -> list[int]:
    """Returns a list of whole numbers."""
    return self._list_of(key, int, 'whole numbers')

  def sizes(self, key: str) -> list[int | None]:
    """Returns a list of whole numbers of which the first may be null."""
    is_open = self.items(key)[:1] == [None]
    return [*[None] * is_open, *self._list_of(key, int, 'whole numbers', start=int(is_open))]

  def numbers(self, key: str) -> list[float]:
    """Returns a list of numbers."""
    return [self._float(key, item) for item in self._list_of(key, (int, float), 'numbers')]

  def texts(self, key: str) -> list[str]:
    """Returns a list of strings."""
    return self._list_of(key, str, 'strings')

  def counts(self, key: str) -> dict[str, int]:
    """Returns an object whose values are whole numbers from 0 on."""
    values = self.mapping(key)
    for name, value in values.items():
      if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise errors.SchemaError(
          f'{self._where}: field {key!r}, {name!r} must be a whole number from 0 on, got {value!r}.'
        )
    return values

  def text_values(self, key: str) -> dict[str, str]:
    """Returns an object whose values are strings."""
    values = self.mapping(key)
    for name, value in values.items():
      if not isinstance(value, str):
        raise errors.SchemaError(
          f'{self._where}: field {key!r}, {name!r} must be a string, got {value!r}.'
        )
    return values

  def text_lists(self, key: str) -> dict[str, tuple[str, ...]]:
    """Returns an object whose values are lists of strings."""
    lists = Reader(self.mapping(key), f'{self._where}, {key}')
    return {name: tuple(lists.texts(name)) for name in self.mapping(key)}

  def _float(self, key: str, number: float) -> float:
    # JSON as such has no NaN, but Python reads it, and 1e999 is infinite.
    try:
      if math.isfinite(number):
        return float(number)
    except OverflowError:
      pass
    raise errors.SchemaError(f'{self._where}: field {key!r} must hold finite numbers.')

  def _list_of(self, key: str, types: Any, wanted: str, *, start: int = 0) -> list[Any]:
    items = self.items(key)[start:]
    if any(isinstance(item, bool) or not isinstance(item, types) for item in items):
      raise errors.SchemaError(f'{self._where}: field {key!r} must be a list of {wanted}.')
    return items

  def _get(self, key: str, types: Any, wanted: str) -> Any:
    if key not in self._value:
      raise errors.SchemaError(f'{self._where}: field {key!r} is missing.')
    value = self._value[key]
    if isinstance(value, bool) or not isinstance(value, types):
      raise errors.SchemaError(
        f'{self._where}: field {key!r} must be {wanted}, got {type(value).__name__}.'
      )
    return value


# From the type of a field to what reads it.
_READERS: Mapping[Any, Callable[[Reader, str], Any]] = {
  int: Reader.integer,
  float: Reader.number,
  str: Reader.text,
  bool | None: Reader.truth,
  tuple[int, ...]: Reader.integers,
  tuple[int | None, ...]: Reader.sizes,
  tuple[float, ...]: Reader.numbers,
  tuple[str, ...]: Reader.texts,
  Mapping[str, Any]: Reader.mapping,
  Mapping[str, int]: Reader.counts,
  Mapping[str, str]: Reader.text_values,
  Mapping[str, tuple[str, ...]]: Reader.text_lists,
}


class Fields:
  """A dataclass that is written as an object and read back.

  Its fields are of the types above, or Fields: one or None, a tuple of them, or by name.
  """

  def to_json(self) -> dict[str, Any]:
    """Returns plain lists, numbers and strings."""
    fields = dataclasses.fields(self)  # type: ignore[arg-type]
    return {field.name: _plain(getattr(self, field.name)) for field in fields}

  @classmethod
  def from_json(cls, value: Any, *, where: str, is_older: bool = False) -> Self:
    """Reads what to_json wrote; SchemaError names `where` and the field.

    Args:
      value: The parsed object.
      where: Where it stands.
      is_older: Whether an older program wrote it: what it does not know is left at its default.
    """
    obj = Reader(value, where, is_older=is_older)
    values = {
      field.name: obj.read(field.name, field.type)
      for field in dataclasses.fields(cls)  # type: ignore[arg-type]
      if not obj.is_silent_on(field)
    }
    return cls(**values)


def _plain(value: Any) -> Any:
  if isinstance(value, Fields):
    return value.to_json()
  if isinstance(value, Mapping):
    return {name: _plain(item) for name, item in value.items()}
  return [_plain(item) for item in value] if isinstance(value, tuple) else value
