"""Lines over a common axis as plain numbers; `charts.svg.j2` draws them in colours of the page."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from pages import axis

# What the colours of style.css are called, in the order in which lines take them.
COLOURS = ('train', 'validation', 'test')
DIAGONAL = 'soft'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
  """One line.

  Attributes:
    name: What it is of.
    colour: One of COLOURS, or DIAGONAL.
    points: Places from 0 to 1, left to right and bottom to top.
    last: The text of its last value.
    is_dotted: Whether each of its points is seen.
  """

  name: str
  colour: str
  points: Sequence[tuple[float, float]]
  last: str
  is_dotted: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curves:
  """Some lines.

  Attributes:
    name: What is shown, for those who do not see it.
    unit: What stands below.
    noun: What stands at the side.
    lines: The lines.
    x_ticks: Numbers below.
    y_ticks: Numbers at the left.
    marks: Places along the axis below that are marked, with a word on each.
  """

  name: str
  unit: str
  noun: str
  lines: Sequence[Line]
  x_ticks: Sequence[axis.Tick]
  y_ticks: Sequence[axis.Tick]
  marks: Sequence[axis.Tick] = ()


def by_epoch(values: Mapping[str, Sequence[float]], *, noun: str, best: int = 0) -> Curves:
  """Returns lines of values per epoch, from epoch 1 on; values that are no numbers are left out.

  Args:
    values: By the name of the line, as many lines as there are colours at most.
    noun: What the values are.
    best: The number of the epoch that is marked; 0 for none.
  """
  finite = [value for line in values.values() for value in line if math.isfinite(value)]
  rounds = axis.edges(0.0, max(finite, default=1.0) or 1.0, most=5)
  longest = max(2, *(len(line) for line in values.values()))
  lines = [
    Line(
      name=name,
      colour=colour,
      points=[
        (i / (longest - 1), value / rounds[-1])
        for i, value in enumerate(line)
        if math.isfinite(value)
      ],
      last=axis.text(round(line[-1], 4)) if line else '',
    )
    for (name, line), colour in zip(values.items(), COLOURS, strict=False)
  ]
  whole = axis.edges(1.0, float(longest), most=6, is_whole=True)
  numbers = [value for value in whole if 1 <= value <= longest]
  return Curves(
    name=f'{noun} by epoch',
    unit='epoch',
    noun=noun,
    lines=lines,
    x_ticks=[axis.Tick((value - 1) / (longest - 1), axis.text(value)) for value in numbers],
    y_ticks=[axis.Tick(value / rounds[-1], axis.text(value)) for value in rounds],
    marks=[axis.Tick((best - 1) / (longest - 1), f'best: {best}')] if best else [],
  )


def of_shares(
  lines: Mapping[str, Sequence[tuple[float, float]]], *, name: str, unit: str, noun: str
) -> Curves:
  """Returns lines in the square from 0 to 100 %, over its diagonal.

  Args:
    lines: Shares, from 0 to 1, by the name of the line, as many lines as there are colours at most.
    name: What is shown, for those who do not see it.
    unit: What stands below.
    noun: What stands at the side.
  """
  ticks = [axis.Tick(i / 5, f'{20 * i}') for i in range(6)]
  drawn = [
    Line(name=key, colour=colour, points=points, last='', is_dotted=True)
    for (key, points), colour in zip(lines.items(), COLOURS, strict=False)
  ]
  diagonal = Line(name='as it should be', colour=DIAGONAL, points=[(0, 0), (1, 1)], last='')
  return Curves(
    name=name, unit=unit, noun=noun, lines=[diagonal, *drawn], x_ticks=ticks, y_ticks=ticks
  )
