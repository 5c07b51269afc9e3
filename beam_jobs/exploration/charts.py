"""Charts as SVG text, drawn in the colours of the page that they stand in."""

import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from beam_jobs.exploration import axis

_WIDTH, _HEIGHT = 480, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 470, 12, 172
_MAX_BINS = 40
_MAX_BARS = 120


def histogram(values: NDArray[np.float64], *, unit: str, noun: str) -> str:
  """Returns a histogram of values that are not all the same.

  Args:
    values: Finite, one or more.
    unit: What stands below: name and unit, such as `length (s)`.
    noun: What is counted, such as `clips`.
  """
  # Of few values fewer bins: their heights should be more than chance.
  most = int(np.clip(2 * np.sqrt(len(values)), 8, _MAX_BINS))
  edges = np.array(axis.edges(float(values.min()), float(values.max()), most=most))
  # Values on an edge must not fall to the wrong side by a rounding error.
  places = np.floor((values - edges[0]) / (edges[1] - edges[0]) + 1e-9).astype(int)
  counts = np.bincount(np.clip(places, 0, len(edges) - 2), minlength=len(edges) - 1)
  chart = _Chart(edges[0], edges[-1], float(counts.max()))
  bars = [
    chart.bar(
      edges[i], edges[i + 1], count,
      title=f'{axis.text(edges[i])} to {axis.text(edges[i + 1])}: {count:,} {noun}',
    )
    for i, count in enumerate(counts)
    if count
  ]  # fmt: skip
  return chart.svg(bars, x_label=unit, y_label=noun, name=f'Histogram: {noun} by {unit}')


def ranked(counts: Sequence[int], *, unit: str, noun: str) -> str:
  """Returns bars from the largest count to the smallest; of many, evenly picked ones.

  Args:
    counts: Sorted, the largest first.
    unit: What stands below, such as `speakers, the largest first`.
    noun: What is counted, such as `clips`.
  """
  size = len(counts)
  edges = np.linspace(0, size, min(size, _MAX_BARS) + 1)
  chart = _Chart(0.5, size + 0.5, float(counts[0]), whole=True)
  bars = [
    chart.bar(left + 0.5, right + 0.5, counts[int(left)],
              title=f'number {int(left) + 1:,}: {counts[int(left)]:,} {noun}')
    for left, right in zip(edges[:-1], edges[1:], strict=True)
  ]  # fmt: skip
  return chart.svg(bars, x_label=unit, y_label=noun, name=f'{noun} of each of the {unit}')


class _Chart:
  """Places and axes of one chart of bars."""

  def __init__(self, low: float, high: float, largest: float, *, whole: bool = False) -> None:
    self._low, self._high = float(low), float(high)
    self._whole = whole
    size = axis.step(largest, most=5)
    size = max(1.0, size)
    self._top = size * max(1, int(np.ceil(largest / size - 1e-9)))

  def x(self, value: float) -> float:
    """Returns where a value stands."""
    return _LEFT + (value - self._low) / (self._high - self._low) * (_RIGHT - _LEFT)

  def y(self, count: float) -> float:
    """Returns how high a count stands."""
    return _BOTTOM - count / self._top * (_BOTTOM - _TOP)

  def bar(self, left: float, right: float, count: int, *, title: str) -> str:
    """Returns a bar with its text for whoever points at it."""
    x, width = self.x(left), self.x(right) - self.x(left)
    gap = min(2.0, width * 0.2)
    wide = min(width - gap, 56.0)
    x += (width - wide) / 2
    height = max(1.0, _BOTTOM - self.y(count))
    return (
      f'<rect class="bar" x="{x:.1f}" y="{_BOTTOM - height:.1f}" width="{wide:.1f}" '
      f'height="{height:.1f}"><title>{html.escape(title)}</title></rect>'
    )

  def svg(self, bars: Sequence[str], *, x_label: str, y_label: str, name: str) -> str:
    """Returns the whole chart."""
    parts = [
      f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
      f'aria-label="{html.escape(name)}">'
    ]
    for count in axis.ticks(0, self._top, most=5):
      y = self.y(count)
      parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
      parts.append(
        f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{axis.text(count)}</text>'
      )
    parts += bars
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>')
    for value in self._x_ticks():
      x = self.x(value)
      parts.append(
        f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_BOTTOM}" y2="{_BOTTOM + 4}"/>'
      )
      parts.append(
        f'<text x="{x:.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{axis.text(value)}</text>'
      )
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
      f'<text class="name" x="{middle:.0f}" y="{_BOTTOM + 40}" text-anchor="middle">'
      f'{html.escape(x_label)}</text>'
    )
    height = (_TOP + _BOTTOM) / 2
    parts.append(
      f'<text class="name" transform="translate(11 {height:.0f}) rotate(-90)" '
      f'text-anchor="middle">{html.escape(y_label)}</text></svg>'
    )
    return ''.join(parts)

  def _x_ticks(self) -> list[float]:
    values = axis.ticks(self._low, self._high, most=6)
    if not self._whole:
      return values
    distance = axis.step(self._high - self._low, most=6)
    return [1.0, *(value for value in values if value == int(value) and value > 0.6 * distance + 1)]
