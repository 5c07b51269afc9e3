"""Numbers as a reader wants them; also the filters of the templates."""

from typing import Any

from schemas.errors import counted as counted
from schemas.errors import share as share

# What may turn the writing direction of the text around a name.
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F), '�')


def number(value: int) -> str:
  """Returns such as `2,000`."""
  return f'{value:,}'


def percent(share: float) -> str:
  """Returns such as `12 %`, `0.3 %` or `99.9 %`."""
  value = 100 * share
  if 0 < value < 0.1:
    return '< 0.1 %'
  if value < 10:
    return f'{round(value, 1):g} %'
  return f'{value:.1f} %' if 99 < value < 100 else f'{value:.0f} %'


def gain(difference: float) -> str:
  """Returns a difference of shares, such as `+1.5 points` or `-0.3 points`."""
  return f'{100 * difference:+.1f} points'


def duration(seconds: float) -> str:
  """Returns such as `12.5 s`, `14.6 min` or `3.2 h`."""
  if seconds < 120:
    return f'{seconds:.3g} s'
  return f'{seconds / 60:.1f} min' if seconds < 7_200 else f'{seconds / 3_600:,.1f} h'


def dbfs(level: float) -> str:
  """Returns such as `−12.5 dBFS`."""
  return f'{level:.1f} dBFS'.replace('-', '−')


def pixels(place: float) -> str:
  """Returns a place in a drawing: a tenth of a pixel is as fine as can be seen."""
  return f'{place:.1f}'


def printable(value: Any) -> Any:
  """Returns text with signs in it that can be seen; anything else, and HTML, as it is."""
  if not isinstance(value, str) or hasattr(value, '__html__'):
    return value
  # Names that are no UTF-8 hold surrogates, which no page can.
  text = value.encode('utf-8', 'replace').decode('utf-8').translate(_DIRECTIONS)
  return ''.join(sign if sign.isprintable() or sign == ' ' else '�' for sign in text)
