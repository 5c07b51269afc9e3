"""Axes with round numbers."""

import math
from typing import NamedTuple

import numpy as np


class Tick(NamedTuple):
  """A number on an axis: where it stands, from 0 (left, bottom) to 1 (right, top), and its text."""

  place: float
  text: str


def edges(low: float, high: float, *, most: int, is_whole: bool = False) -> list[float]:
  """Returns round numbers that hold [low, high], in about `most` equal steps at most.

  A step is 1, 2 or 5 times a power of ten; where `is_whole`, it is 1 or more.
  """
  rough = (high - low) / most
  power = 10.0 ** math.floor(math.log10(rough))
  size = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
  size = max(1.0, size) if is_whole else size
  first = math.floor(low / size + 1e-9)
  last = max(first + 1, math.ceil(high / size - 1e-9))
  return [number * size for number in range(first, last + 1)]


def ticks(low: float, high: float, *, most: int) -> list[Tick]:
  """Returns round numbers in [low, high], at most `most` + 1 of them."""
  slack = 1e-9 * (high - low)
  return [
    Tick((value - low) / (high - low), text(value))
    for value in edges(low, high, most=most)
    if low - slack <= value <= high + slack
  ]


def text(number: float) -> str:
  """Returns a number as it stands at a tick: `1,500`, `0.25`, `−40`."""
  rounded = float(np.round(number, 10))
  shown = f'{rounded:,.0f}' if abs(rounded) >= 1_000 else f'{rounded:.6g}'
  return shown.replace('-', '−')
