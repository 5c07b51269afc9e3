"""The confusion matrix as a PNG, readable with 10 labels and with 100."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich import cells

from trainer.judging.report import matrix_excerpt
from trainer.measures import counting

if TYPE_CHECKING:
  from matplotlib import axes as axes_lib

_DOTS_PER_INCH = 110
_MAX_SIDE_INCHES = 18.0  # Of the matrix alone: about 2,000 pixels.
_MIN_SIDE_INCHES = 2.0
_MAX_CELL_INCHES = 0.5
_MAX_NUMBERS = 40  # Up to so many labels, cells have room for their counts.
_MAX_NAMES = 120  # Up to so many, every label is named; beyond, every second, third, ...
_MAX_NAME_CELLS = 24
# Fonts with other scripts than the Latin, Greek and Cyrillic of Matplotlib's own.
_FALLBACK_FONTS = (
  'Noto Sans CJK SC',
  'Noto Sans CJK JP',
  'Source Han Sans SC',
  'WenQuanYi Zen Hei',
  'Droid Sans Fallback',
  'PingFang SC',
  'Microsoft YaHei',
  'Noto Sans',
)


def excerpt_png(excerpt: matrix_excerpt.Excerpt, *, title: str) -> bytes:
  """Returns the PNG of what is shown of a report's confusion, and says so where it is not all."""
  if excerpt.said:
    title = f'{title}\n{excerpt.said}'
  return confusion_png(excerpt.counts, excerpt.labels, title=title, examples=excerpt.examples)


def confusion_png(
  counts: counting.Confusion,
  labels: Sequence[str],
  *,
  title: str,
  max_names: int | None = None,
  examples: NDArray[np.int64] | None = None,
) -> bytes:
  """Returns the PNG: colours are shares of a row (of the clips that have the label).

  Args:
    counts: Rows are true, columns predicted.
    labels: Label texts, by index.
    title: Stands above; may be long.
    max_names: With more labels than so many, numbers stand in their place; None: never.
    examples: Of each label, where the rows do not hold all of its answers.
  """
  if max_names is not None and len(labels) > max_names:
    labels = [str(i) for i in range(len(labels))]
  # No pyplot: it would keep every figure, and look for a screen.
  import matplotlib
  from matplotlib import figure
  from matplotlib.backends import backend_agg

  with matplotlib.rc_context({'font.family': font_families()}), warnings.catch_warnings():
    # Scripts that no font of this machine has become boxes, which the picture shows well enough.
    warnings.filterwarnings('ignore', message='Glyph')
    cell = min(_MAX_CELL_INCHES, _MAX_SIDE_INCHES / len(labels))
    side = max(_MIN_SIDE_INCHES, cell * len(labels))
    drawing = figure.Figure(figsize=(side + 3.0, side + 2.5), dpi=_DOTS_PER_INCH)
    backend_agg.FigureCanvasAgg(drawing)
    shares = counting.row_shares(counts, examples)
    _draw(drawing.add_subplot(), counts, shares, labels, title=title)
    stream = io.BytesIO()
    # Without Matplotlib's name and version, so that equal reports are equal bytes.
    drawing.savefig(stream, format='png', bbox_inches='tight', metadata={'Software': None})
  return stream.getvalue()


def _draw(
  axes: axes_lib.Axes,
  counts: counting.Confusion,
  shares: NDArray[np.float64],
  labels: Sequence[str],
  *,
  title: str,
) -> None:
  from matplotlib import colors

  # The root makes a share of 1 % visible, among 100 labels too.
  image = axes.imshow(shares, cmap='Blues', norm=colors.PowerNorm(0.5, vmin=0.0, vmax=1.0))
  bar = axes.figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
  bar.set_label('share of the clips that have the label')
  bar.set_ticks([0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1])
  bar.ax.set_yticklabels(['0', '1 %', '5 %', '10 %', '25 %', '50 %', '75 %', '100 %'])
  _name_axes(axes, labels)
  axes.set_title(_printable(title), fontsize=11, parse_math=False)
  if len(labels) <= _MAX_NUMBERS:
    _write_counts(axes, counts, shares)


def _name_axes(axes: axes_lib.Axes, labels: Sequence[str]) -> None:
  step = -(-len(labels) // _MAX_NAMES)
  places = np.arange(0, len(labels), step)
  names = [_shortened(_printable(labels[i])) for i in places]
  size = 9 if len(labels) <= _MAX_NUMBERS else 7
  axes.set_xticks(places, names, rotation=90, fontsize=size, parse_math=False)
  axes.set_yticks(places, names, fontsize=size, parse_math=False)
  axes.set_xlabel('predicted')
  axes.set_ylabel('true')
  # A faint grid leads the eye from a far cell to its labels.
  axes.set_xticks(np.arange(-0.5, len(labels)), minor=True)
  axes.set_yticks(np.arange(-0.5, len(labels)), minor=True)
  axes.grid(which='minor', color='0.88', linewidth=0.4)
  axes.tick_params(which='minor', length=0)


def _write_counts(axes: axes_lib.Axes, counts: counting.Confusion, shares: np.ndarray) -> None:
  """Writes the counts that are not 0 into their cells, at most four characters each."""
  for row, column in zip(*np.nonzero(counts), strict=True):
    axes.text(
      column,
      row,
      _count(int(counts[row, column])),
      ha='center',
      va='center',
      fontsize=8,
      color='white' if shares[row, column] > 0.4 else 'black',
    )


def _count(count: int) -> str:
  for size, unit in ((1_000_000_000, 'G'), (1_000_000, 'M'), (10_000, 'k')):
    if count >= size:
      divisor = 1_000 if unit == 'k' else size
      return (
        f'{count / divisor:.3g}{unit}' if count < 100 * divisor else f'{count // divisor}{unit}'
      )
  return str(count)


def _shortened(name: str) -> str:
  if cells.cell_len(name) <= _MAX_NAME_CELLS:
    return name
  return cells.set_cell_size(name, _MAX_NAME_CELLS - 1).rstrip() + '…'


def _printable(text: str) -> str:
  # File names that are no UTF-8 hold characters that no font can draw.
  return text.encode('utf-8', 'replace').decode('utf-8')


def font_families() -> list[str]:
  """Returns Matplotlib's own font, and those of this machine that have other scripts."""
  from matplotlib import font_manager

  present = set(font_manager.get_font_names())
  return ['DejaVu Sans', *(name for name in _FALLBACK_FONTS if name in present)]
