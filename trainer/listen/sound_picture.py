"""What was heard, as a page: detections over the spectrogram of the whole recording.

Memory does not grow with the recording: there are at most 2 * COLUMNS columns of ROWS levels,
1 MiB of float32; when they are full, two neighbours become one, the louder level of each row. Of
detections and of what was really said the first MOST_DRAWN are drawn, and it is said of how many.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pages import axis, embedded, rendering, words
from trainer.listen import detection_figures, true_times

COLUMNS = 2048
ROWS = 64
MOST_DRAWN = 500
RANGE_DB = 80.0

_WINDOW_S = 0.032
# The width of the picture: so many pixels a second within these bounds.
_PIXELS_A_SECOND, _LEAST_PIXELS, _MOST_PIXELS = 80, 900, 6_000
_HEIGHT = 220


class Spectrogram:
  """The levels of a recording that comes in blocks."""

  def __init__(self, rate_hz: int) -> None:
    self._rate_hz = rate_hz
    self._window_samples = max(2 * ROWS, round(_WINDOW_S * rate_hz))
    self._shape = np.hanning(self._window_samples + 1)[:-1].astype(np.float32)
    self._columns: list[NDArray[np.float32]] = []
    self._frames_a_column = 1
    self._open: list[NDArray[np.float32]] = []  # Of the column that is not whole yet.
    self._held = np.zeros(0, np.float32)
    self._num_samples = 0

  @property
  def seconds(self) -> float:
    """How long the recording is so far."""
    return self._num_samples / self._rate_hz

  def add(self, samples: NDArray[np.float32]) -> None:
    """Takes the next samples."""
    self._num_samples += len(samples)
    self._held = np.concatenate([self._held, samples])
    count = len(self._held) // self._window_samples
    if not count:
      return
    used = count * self._window_samples
    frames = self._held[:used].reshape(count, self._window_samples) * self._shape
    self._held = self._held[used:].copy()
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).astype(np.float32)
    edges = np.linspace(0, power.shape[1], ROWS + 1).astype(int)[:-1]
    for row in np.maximum.reduceat(power, edges, axis=1):
      self._add_frame(row)

  def _add_frame(self, power: NDArray[np.float32]) -> None:
    self._open.append(power)
    if len(self._open) < self._frames_a_column:
      return
    self._columns.append(np.max(self._open, axis=0))
    self._open = []
    if len(self._columns) == 2 * COLUMNS:
      pairs = zip(self._columns[::2], self._columns[1::2], strict=True)
      self._columns = [np.maximum(one, other) for one, other in pairs]
      self._frames_a_column *= 2

  def levels(self) -> NDArray[np.float32]:
    """Returns levels from 0 (RANGE_DB below the loudest) to 1, [ROWS, columns], low first."""
    columns = [*self._columns, *([np.max(self._open, axis=0)] if self._open else [])]
    if not columns:
      return np.zeros((ROWS, 1), np.float32)
    power = np.stack(columns, axis=1)
    largest = float(power.max())
    if not largest > 0:
      return np.zeros_like(power)
    relative_db = 10 * np.log10(np.maximum(power / largest, 1e-12))
    found: NDArray[np.float32] = np.clip(1 + relative_db / RANGE_DB, 0, 1).astype(np.float32)
    return found

  @property
  def drawn_s(self) -> float:
    """How long that is which the columns show."""
    frames = len(self._columns) * self._frames_a_column + len(self._open)
    return frames * self._window_samples / self._rate_hz


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
  """Something over the spectrogram.

  Attributes:
    start_s: Where it begins, in seconds.
    end_s: Where it ends.
    label: What it is.
    probability: How sure the model was; None of what was really said.
  """

  start_s: float
  end_s: float
  label: str
  probability: float | None = None


def page(
  *,
  name: str,
  facts: Mapping[str, str],
  spectrogram: Spectrogram,
  rate_hz: int,
  marks: Sequence[Mark],
  num_marks: int,
  events: Sequence[true_times.Event],
  counts: Mapping[str, detection_figures.Count],
) -> str:
  """Returns the page: the same bytes for the same values.

  Args:
    name: Of the recording.
    facts: What is said of how it was heard.
    spectrogram: Its levels.
    rate_hz: Its rate.
    marks: The first detections, at most MOST_DRAWN.
    num_marks: How many there are.
    events: What was really said.
    counts: How well it was heard, by label; {}: there is nothing to hold it against.
  """
  seconds = max(spectrogram.drawn_s, 1e-6)
  width = int(np.clip(seconds * _PIXELS_A_SECOND, _LEAST_PIXELS, _MOST_PIXELS))

  def drawn(start_s: float, end_s: float) -> dict[str, float]:
    left, right = (width * min(max(x / seconds, 0.0), 1.0) for x in (start_s, end_s))
    return {'x': left, 'width': max(1.0, right - left)}

  shown = sorted(events, key=lambda event: event.start_s)[:MOST_DRAWN]
  return rendering.render(
    'listening.html.j2',
    title=name,
    kind='What was heard',
    numbers=[
      (words.duration(spectrogram.seconds), 'heard'),
      (words.number(num_marks), 'detections'),
    ],
    image=embedded.shades(spectrogram.levels()[::-1]),
    width=width,
    height=_HEIGHT,
    khz=axis.ticks(0, rate_hz / 2_000, most=4),
    ticks=axis.ticks(0, seconds, most=max(5, width // 120)),
    marks=[{**drawn(mark.start_s, mark.end_s), 'mark': mark} for mark in marks],
    num_marks=num_marks,
    events=[{**drawn(event.start_s, event.end_s), 'mark': event} for event in shown],
    num_events=len(events),
    counts=[_row(label, count) for label, count in counts.items()],
    facts=list(facts.items()),
    remarks=[],
  )


def _row(label: str, count: detection_figures.Count) -> dict[str, Any]:
  return {
    'label': label or 'all',
    'said': words.number(count.num_true),
    'found': words.number(count.num_found),
    'recall': '–' if count.recall is None else words.percent(count.recall),
    'false': words.number(count.num_false),
    'an_hour': f'{count.false_an_hour:.2f}',
  }
