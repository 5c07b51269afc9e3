"""The pictures of one clip: waveform, spectrogram, mel spectrogram, chromagram.

Plain numbers; `charts.svg.j2` draws them.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pages import analysis, axis, embedded

_NOTES = ('C', 'D', 'E', 'F♯', 'G♯', 'A♯')
# Amplitudes at which a waveform may fill its field.
_LIMITS = (0.001, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
# Half of a line, as a share of the height: silence is a line and not nothing.
_HALF_LINE = 0.002
# Ticks closer than this share of the height would touch.
_TICK_DISTANCE = 0.11
_MEL_TICKS_HZ = (125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)


@dataclasses.dataclass(frozen=True)
class Panel:
  """One picture over time; places are from 0 (left, bottom) to 1 (right, top).

  Attributes:
    name: Its heading.
    y_label: Name of the axis at the left.
    y_ticks: Numbers or names at the left.
    image: What fills the field, as an address; '' where there is an outline.
    x_ticks: Seconds.
    is_crisp: Whether the image has few rows, whose edges should be seen.
    outline: Points (x, y) around a filled form.
  """

  name: str
  y_label: str
  y_ticks: Sequence[axis.Tick]
  image: str = ''
  _: dataclasses.KW_ONLY
  x_ticks: Sequence[axis.Tick]
  is_crisp: bool = False
  outline: Sequence[tuple[float, float]] = ()


def of(samples: NDArray[np.float32], sample_rate_hz: int) -> list[Panel]:
  """Returns the four pictures of a clip's beginning, from samples [num_samples]."""
  clip = analysis.of(samples, sample_rate_hz)
  panel = functools.partial(Panel, x_ticks=axis.ticks(0, clip.seconds, most=5))
  khz = axis.ticks(0, sample_rate_hz / 2_000, most=5)
  notes = [axis.Tick((2 * i + 0.5) / 12, note) for i, note in enumerate(_NOTES)]
  images = [embedded.shades(rows[::-1]) for rows in (clip.spectrogram, clip.mel, clip.chroma)]
  return [
    _waveform(clip, panel),
    panel('Spectrogram', 'frequency (kHz)', khz, images[0]),
    panel('Mel spectrogram', 'mel band (kHz)', _mel_ticks(sample_rate_hz), images[1]),
    panel('Chromagram', 'pitch class', notes, images[2], is_crisp=True),
  ]


def spectrogram(samples: NDArray[np.float32], sample_rate_hz: int) -> Panel:
  """Returns the one picture that says most of a clip's beginning, from samples [num_samples]."""
  seconds, levels = analysis.spectrogram(samples, sample_rate_hz)
  return Panel(
    'Spectrogram',
    'frequency (kHz)',
    axis.ticks(0, sample_rate_hz / 2_000, most=5),
    embedded.shades(levels[::-1]),
    x_ticks=axis.ticks(0, seconds, most=5),
  )


def stored(values: NDArray[Any], name: str) -> Panel:
  """Returns a stored feature, [time, bins] or one row, as a picture without numbers."""
  rows = values.reshape(len(values), -1) if values.ndim > 1 else values[np.newaxis, :]
  return Panel(name, 'bin', [], embedded.picture(rows), x_ticks=[], is_crisp=True)


def _waveform(clip: analysis.Analysis, panel: Callable[..., Panel]) -> Panel:
  """Returns the form between the smallest and the largest sample of every column."""
  peak = float(max(clip.highest.max(), -clip.lowest.min()))
  limit = next((size for size in _LIMITS if size >= peak), peak)
  x = (np.arange(len(clip.highest)) + 0.5) / len(clip.highest)
  upper = 0.5 + clip.highest / limit / 2 + _HALF_LINE
  lower = 0.5 + clip.lowest / limit / 2 - _HALF_LINE
  ticks = [axis.Tick(i / 2, axis.text((i - 1) * limit)) for i in range(3)]
  outline = [*zip(x, upper, strict=True), *zip(x[::-1], lower[::-1], strict=True)]
  return panel('Waveform', 'amplitude', ticks, outline=outline)


def _mel_ticks(sample_rate_hz: int) -> list[axis.Tick]:
  low, high = _mel(analysis.LOW_HZ), _mel(sample_rate_hz / 2)
  ticks: list[axis.Tick] = []
  for hz in reversed(_MEL_TICKS_HZ):
    place = (_mel(hz) - low) / (high - low)
    if 0.0 <= place <= 1.0 and (not ticks or ticks[-1].place - place >= _TICK_DISTANCE):
      ticks.append(axis.Tick(place, axis.text(hz / 1_000)))
  return ticks


def _mel(hz: float) -> float:
  return 2595 * math.log10(1 + hz / 700)
