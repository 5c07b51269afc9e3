"""Round numbers on the axes of charts."""

import math

import numpy as np


def step(span: float, *, most: int) -> float:
  """Returns a round step (1, 2 or 5 times a power of ten) that cuts `span` into at most `most`."""
  if span <= 0:
    return 1.0
  rough = span / most
  power = 10.0 ** math.floor(math.log10(rough))
  return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def ticks(low: float, high: float, *, most: int) -> list[float]:
  """Returns round numbers in [low, high], at most `most` + 1 of them."""
  size = step(high - low, most=most)
  first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
  return [number * size for number in range(first, last + 1)]


def edges(low: float, high: float, *, most: int) -> list[float]:
  """Returns the round edges of at most about `most` bins of equal width that hold [low, high]."""
  size = step(high - low, most=most)
  first = math.floor(low / size + 1e-9)
  last = max(first + 1, math.ceil(high / size - 1e-9))
  return [number * size for number in range(first, last + 1)]


def text(number: float) -> str:
  """Returns a number as it stands at a tick: `1,500`, `0.25`, `-40`."""
  rounded = float(np.round(number, 10))
  if abs(rounded) >= 1_000:
    return f'{rounded:,.0f}'.replace('-', '−')
  return f'{rounded:.6g}'.replace('-', '−')
