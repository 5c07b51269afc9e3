"""The numbers that settings and flags may hold, checked at their birth."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from schemas import errors


@dataclasses.dataclass(frozen=True)
class Limits:
  """Which numbers one may hold.

  Attributes:
    hold: Whether a number is one of them; NaN never is.
    wanted: What it must be, for the error.
    hint: What else the error says.
  """

  hold: Callable[[Any], bool]
  wanted: str
  hint: str = ''


def within(low: float, high: float) -> Limits:
  """Returns the limits [low, high]."""
  return Limits(lambda value: low <= value <= high, f'in [{low:g}, {high:g}]')


def count_from(least: int) -> Limits:
  """Returns the limits of a count: 2**31 is where those of TensorFlow and of seeds end."""
  return Limits(lambda value: least <= value < 2**31, f'at least {least} and below 2**31')


# What is computed with them in float32 stays finite, squares apart.
_MOST, _LEAST = 1e30, 1e-30
AT_LEAST_0 = Limits(lambda value: 0 <= value <= _MOST, '0 or more', f'; at most {_MOST:g}')
NATURAL, COUNT = count_from(0), count_from(1)
POSITIVE = Limits(
  lambda value: _LEAST <= value <= _MOST, 'positive', f'; at least {_LEAST:g}, at most {_MOST:g}'
)
# Of layers on top of each other: each is built by itself, and Keras calls itself for each.
DEPTH = within(1, 100)
RATE = Limits(lambda value: 0 <= value < 1, 'in [0, 1)')
# Where a server listens.
PORT = Limits(lambda value: 0 <= value < 65536, '0 (any) to 65535')


class Limited:
  """Settings whose numbers have limits.

  Attributes:
    LIMITS: Those of the fields by their names, or the least and the greatest number; `rate` stands
      for the two fields min_rate and max_rate. To those of a class come those of its bases, which
      go first.
  """

  LIMITS: ClassVar[Mapping[str, Limits | tuple[float, float]]] = {}

  def __post_init__(self) -> None:
    for cls in reversed(type(self).__mro__):
      for name, limits in vars(cls).get('LIMITS', {}).items():
        self._check(name, within(*limits) if isinstance(limits, tuple) else limits)

  def _check(self, name: str, limits: Limits) -> None:
    """Raises ConfigError unless the limits hold."""
    if hasattr(self, name):
      value = getattr(self, name)
      if not limits.hold(value):
        raise errors.ConfigError(f'{name} must be {limits.wanted}, got {value}{limits.hint}.')
      return
    least, greatest = getattr(self, f'min_{name}'), getattr(self, f'max_{name}')
    if not (limits.hold(least) and limits.hold(greatest) and least <= greatest):
      raise errors.ConfigError(
        f'min_{name} and max_{name} must be {limits.wanted}, the smaller first, '
        f'got {least} and {greatest}.'
      )
