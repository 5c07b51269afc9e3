"""Asks a model of whole windows as a recording comes: each window from its first sample on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from exports import clip_input, exported
from features.decoding import trimming

# So many windows are asked at a time where they are there.
_BATCH = 32


class WindowScores:
  """Hears one recording, from its start on, by a model that takes clips."""

  def __init__(self, model: exported.Exported, *, window_samples: int, hop_samples: int) -> None:
    """Takes the model and the windows: the first ends after window_samples, each hop_samples on."""
    self._model = model
    audio = model.export.audio
    assert audio
    self._audio = clip_input.spec(model.export)
    self._window_samples = window_samples
    self._hop_samples = hop_samples
    self._held = np.zeros(0, np.float32)
    self._start = 0  # Of what is held, in the recording.

  def hear(self, samples: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Takes the next samples, and yields scores as they come; see stepping.Stepping."""
    self._held = np.concatenate([self._held, samples])
    count = 1 + (len(self._held) - self._window_samples) // self._hop_samples
    for first in range(0, count, _BATCH):
      places = [i * self._hop_samples for i in range(first, min(first + _BATCH, count))]
      logits = self._model.of_clips([self._window(place) for place in places]).logits
      for place, one in zip(places, logits, strict=True):
        yield self._start + place + self._window_samples, one
    if count > 0:
      self._start += count * self._hop_samples
      self._held = self._held[count * self._hop_samples :]

  def _window(self, place: int) -> NDArray[np.float32]:
    window = self._held[place : place + self._window_samples]
    if self._audio.trim_db:
      first, last = trimming.bounds(window, self._audio.sample_rate_hz, self._audio.trim_db)
      window = window[first:last]
    return window
