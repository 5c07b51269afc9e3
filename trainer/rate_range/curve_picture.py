"""The loss over the learning rate as a PNG."""

from __future__ import annotations

import io
import warnings

from trainer.judging.report import picture
from trainer.rate_range import loss_curve

_DOTS_PER_INCH = 110
_SIZE_INCHES = (8.0, 5.0)
# Of the losses that are shown: those of an explosion would press all others flat.
_SHOWN = 1.5


def png(
  curve: loss_curve.LossCurve, suggestion: loss_curve.Suggestion | None, *, title: str
) -> bytes:
  """Returns the PNG.

  Args:
    curve: With one step at least.
    suggestion: What it says, if it says anything.
    title: Stands above.
  """
  # No pyplot: it would keep every figure, and look for a screen.
  import matplotlib
  from matplotlib import figure
  from matplotlib.backends import backend_agg

  with matplotlib.rc_context({'font.family': picture.font_families()}), warnings.catch_warnings():
    # Scripts that no font of this machine has become boxes.
    warnings.filterwarnings('ignore', message='Glyph')
    drawing = figure.Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH)
    backend_agg.FigureCanvasAgg(drawing)
    axes = drawing.add_subplot()
    smoothed = curve.smoothed()
    axes.plot(curve.rates, curve.losses, color='0.75', linewidth=1, label='loss of each step')
    axes.plot(curve.rates, smoothed, color='tab:blue', linewidth=2, label='smoothed')
    if suggestion:
      axes.axvline(
        suggestion.rate,
        color='tab:red',
        linestyle='--',
        label=f'falls most steeply: {suggestion.rate:.2g}',
      )
      axes.axvline(
        suggestion.lowest_rate,
        color='0.4',
        linestyle=':',
        label=f'lowest: {suggestion.lowest_rate:.2g}',
      )
    low, start = float(smoothed.min()), float(smoothed[0])
    room = 0.1 * (start - low) + 0.02 * start
    axes.set_ylim(low - room, max(start, low + _SHOWN * (start - low)) + room)
    axes.set_xscale('log')
    axes.set_xlabel('learning rate')
    axes.set_ylabel('training loss')
    axes.set_title(
      title.encode('utf-8', 'replace').decode('utf-8'), fontsize='medium', parse_math=False
    )
    axes.grid(visible=True, which='major', color='0.9')
    axes.legend(loc='best')
    stream = io.BytesIO()
    drawing.savefig(stream, format='png', bbox_inches='tight', metadata={'Software': None})
  return stream.getvalue()
