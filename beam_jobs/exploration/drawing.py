"""The pictures of one clip as SVG text: waveform, spectrogram, mel spectrogram, chromagram."""

import html
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from beam_jobs.exploration import analysis as analysis_lib
from beam_jobs.exploration import axis, colours

_WIDTH, _HEIGHT = 300, 172
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 292, 8, 130
_NOTES = ('C', 'D', 'E', 'F♯', 'G♯', 'A♯')
# Amplitudes at which a waveform may fill its field.
_LIMITS = (0.001, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
# Ticks closer than this share of the height would touch.
_TICK_DISTANCE = 0.11
_MEL_TICKS_HZ = (125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)

# Where a tick stands, from 0 (bottom) to 1 (top), and its text.
_Tick = tuple[float, str]


def waveform(clip: analysis_lib.Analysis) -> str:
  """Returns the envelope: the smallest and largest sample of every column."""
  peak = float(max(clip.highest.max(), -clip.lowest.min()))
  limit = next((size for size in _LIMITS if size >= peak), peak)
  columns = len(clip.highest)
  x = _LEFT + (np.arange(columns) + 0.5) / columns * (_RIGHT - _LEFT)
  middle, half = (_TOP + _BOTTOM) / 2, (_BOTTOM - _TOP) / 2
  # At least half a pixel high, so that silence is a line and not nothing.
  upper = middle - clip.highest / limit * half - 0.25
  lower = middle - clip.lowest / limit * half + 0.25
  points = [*zip(x, upper, strict=True), *zip(x[::-1], lower[::-1], strict=True)]
  path = ' '.join(f'{px:.1f},{py:.1f}' for px, py in points)
  content = (
    f'<rect class="field" x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" '
    f'height="{_BOTTOM - _TOP}"/>'
    f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
    f'<polygon class="wave" points="{path}"/>'
  )
  ticks = [(0.0, axis.text(-limit)), (0.5, '0'), (1.0, axis.text(limit))]
  return _panel(content, clip.seconds, ticks, y_label='amplitude', name='Waveform')


def spectrogram(clip: analysis_lib.Analysis) -> str:
  """Returns the levels by time and frequency."""
  top_khz = clip.sample_rate_hz / 2_000
  ticks = [(value / top_khz, axis.text(value)) for value in axis.ticks(0, top_khz, most=5)]
  content = _image(clip.spectrogram)
  return _panel(content, clip.seconds, ticks, y_label='frequency (kHz)', name='Spectrogram')


def mel_spectrogram(clip: analysis_lib.Analysis) -> str:
  """Returns the levels by time and pitch as heard."""
  low, high = _mel(analysis_lib.LOW_HZ), _mel(clip.sample_rate_hz / 2)
  places = [((_mel(hz) - low) / (high - low), axis.text(hz / 1_000)) for hz in _MEL_TICKS_HZ]
  ticks: list[_Tick] = []
  for place, text in reversed(places):
    if 0.0 <= place <= 1.0 and (not ticks or ticks[-1][0] - place >= _TICK_DISTANCE):
      ticks.append((place, text))
  content = _image(clip.mel)
  return _panel(content, clip.seconds, ticks, y_label='mel band (kHz)', name='Mel spectrogram')


def chromagram(clip: analysis_lib.Analysis) -> str:
  """Returns the strength of the twelve pitch classes by time."""
  ticks = [((2 * i + 0.5) / 12, note) for i, note in enumerate(_NOTES)]
  content = _image(clip.chroma, is_crisp=True)
  return _panel(content, clip.seconds, ticks, y_label='pitch class', name='Chromagram')


def _mel(hz: float) -> float:
  return 2595 * math.log10(1 + hz / 700)


def _image(values: NDArray[np.float32], *, is_crisp: bool = False) -> str:
  uri = colours.data_uri(colours.shades_png(values[::-1]), 'image/png')
  crisp = ' class="crisp"' if is_crisp else ''
  return (
    f'<image{crisp} x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" '
    f'preserveAspectRatio="none" href="{uri}"/>'
  )


def _panel(
  content: str, seconds: float, y_ticks: Sequence[_Tick], *, y_label: str, name: str
) -> str:
  parts = [
    f'<svg class="panel" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
    f'aria-label="{html.escape(name)}">',
    content,
  ]
  for place, text in y_ticks:
    y = _BOTTOM - place * (_BOTTOM - _TOP)
    parts.append(f'<text x="{_LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>')
  for value in axis.ticks(0, seconds, most=5):
    x = _LEFT + value / seconds * (_RIGHT - _LEFT)
    parts.append(
      f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{_BOTTOM}" y2="{_BOTTOM + 3}"/>'
      f'<text x="{x:.1f}" y="{_BOTTOM + 15}" text-anchor="middle">{axis.text(value)}</text>'
    )
  middle_x, middle_y = (_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2
  parts.append(
    f'<text class="name" x="{middle_x:.0f}" y="{_BOTTOM + 32}" text-anchor="middle">time (s)</text>'
    f'<text class="name" transform="translate(10 {middle_y:.0f}) rotate(-90)" '
    f'text-anchor="middle">{html.escape(y_label)}</text></svg>'
  )
  return ''.join(parts)
