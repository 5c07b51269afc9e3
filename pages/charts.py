"""Charts of bars as plain numbers; `charts.svg.j2` draws them in the colours of the page."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pages import axis

_MAX_BINS = 40
_MAX_BARS = 120


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
  """Bars of equal width beside one another.

  Attributes:
    name: What is shown, for those who do not see it.
    unit: What stands below: name and unit, such as `length (s)`.
    noun: What is counted, such as `clips`.
    bars: Each as (height from 0 to 1, text for whoever points at it).
    x_ticks: Numbers below.
    y_ticks: Numbers at the left.
  """

  name: str
  unit: str
  noun: str
  bars: Sequence[tuple[float, str]]
  x_ticks: Sequence[axis.Tick]
  y_ticks: Sequence[axis.Tick]


def histogram(values: NDArray[np.float64], *, unit: str, noun: str) -> Chart:
  """Returns a histogram of finite values that are not all the same."""
  # Of few values fewer bins: their heights should be more than chance.
  most = int(np.clip(2 * np.sqrt(len(values)), 8, _MAX_BINS))
  edges = axis.edges(float(values.min()), float(values.max()), most=most)
  # Values on an edge must not fall to the wrong side by a rounding error.
  places = np.floor((values - edges[0]) / (edges[1] - edges[0]) + 1e-9).astype(int)
  counts = np.bincount(np.clip(places, 0, len(edges) - 2), minlength=len(edges) - 1)
  names = [f'{axis.text(low)} to {axis.text(high)}' for low, high in itertools.pairwise(edges)]
  x_ticks = axis.ticks(edges[0], edges[-1], most=6)
  name = f'Histogram: {noun} by {unit}'
  return _chart(counts.tolist(), names, x_ticks, name=name, unit=unit, noun=noun)


def ranked(counts: Sequence[int], *, unit: str, noun: str) -> Chart:
  """Returns bars of counts, which have the largest first; of many, evenly picked ones."""
  size = len(counts)
  picked = np.linspace(0, size, min(size, _MAX_BARS), endpoint=False).astype(int)
  rounds = axis.edges(0.5, size + 0.5, most=6, is_whole=True)
  far = 1 + 0.6 * (rounds[1] - rounds[0])  # Nearer to the 1 it would touch it.
  numbers = [1.0, *(value for value in rounds if far < value <= size)]
  x_ticks = [axis.Tick((value - 0.5) / size, axis.text(value)) for value in numbers]
  names = [f'number {i + 1:,}' for i in picked]
  name = f'{noun} of each of the {unit}'
  return _chart([counts[i] for i in picked], names, x_ticks, name=name, unit=unit, noun=noun)


def _chart(
  counts: Sequence[int], names: Sequence[str], x_ticks: Sequence[axis.Tick], **labels: str
) -> Chart:
  rounds = axis.edges(0.0, float(max(counts)), most=5, is_whole=True)
  top = rounds[-1]
  bars = [
    (count / top, f'{name}: {count:,} {labels["noun"]}')
    for name, count in zip(names, counts, strict=True)
  ]
  y_ticks = [axis.Tick(value / top, axis.text(value)) for value in rounds]
  return Chart(bars=bars, x_ticks=x_ticks, y_ticks=y_ticks, **labels)
