"""Hears a recording as it comes, and keeps what is detected."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from exports import answer_rows
from schemas import audio as audio_schema
from trainer.confidence import caution as caution_lib
from trainer.listen import (
  listen_config,
  sound_picture,
  triggers,
)


class Scores(Protocol):
  """What hears a recording as it comes."""

  def hear(self, samples: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Takes the next samples, and yields (samples of the recording up to there, logits)."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Model:
  """What listens.

  Attributes:
    labels: Their names.
    audio: The form of its clips.
    caution: How its logits become answers.
    window_samples: What it hears at a time.
    least_samples: What the first score takes: a window, or the blocks that it is in.
    hop_samples: From one window to the next.
    how: One of STREAMING but AUTO; of the file of an export with its name.
    scores: Makes what hears; it is open for as long as the context.
  """

  labels: tuple[str, ...]
  audio: audio_schema.AudioSpec
  caution: caution_lib.Caution
  window_samples: int
  least_samples: int
  hop_samples: int
  how: str
  scores: Callable[[], contextlib.AbstractContextManager[Scores]]


class Listener:
  """Hears a recording to its end, or to Ctrl-C, and keeps what is said of it.

  Attributes:
    detections: What was detected, by the threshold: that of the flags under None.
    nearest: What came nearest to be detected for as long as nothing was; None of no window.
    num_samples: How much was heard.
    num_windows: How often the model was asked.
    interrupted: What ended it before its time.
  """

  def __init__(self, model: Model, scores: Scores, config: listen_config.ListenConfig) -> None:
    self._model = model
    self._scores = scores
    self._config = config
    self._smoother = triggers.Smoother(config.smoothing_s)
    names = listen_config.detected_labels(model.labels, config.labels)
    self.detected = np.array([label in names for label in model.labels])
    thresholds: dict[float | None, float] = {None: config.threshold}
    if config.truth:
      thresholds |= {threshold: threshold for threshold in listen_config.THRESHOLDS}
    self._triggers = {
      key: triggers.Trigger(self.detected, threshold=value, refractory_s=config.refractory_s)
      for key, value in thresholds.items()
    }
    self.detections: dict[float | None, list[triggers.Detection]] = {key: [] for key in thresholds}
    self.spectrogram = (
      sound_picture.Spectrogram(model.audio.sample_rate_hz) if config.picture else None
    )
    self.nearest: triggers.Detection | None = None
    self.num_samples = self.num_windows = 0
    self.interrupted: KeyboardInterrupt | None = None

  @property
  def heard_s(self) -> float:
    """How much was heard, in seconds."""
    return self.num_samples / self._model.audio.sample_rate_hz

  def rows(self, blocks: Iterator[NDArray[np.float32]]) -> Iterator[answer_rows.Row]:
    """Yields detections as they come; of Ctrl-C they end as at the end of the recording."""
    before_s = 0.0
    window_s = self._model.window_samples / self._model.audio.sample_rate_hz
    try:
      for mean, detection in self._heard(blocks):
        start_s = max(0.0, before_s, detection.time_s - window_s)
        # Labels of a track do not touch, or they would be one.
        before_s = detection.time_s + 1e-3
        yield answer_rows.Row(
          name=self._config.name, probabilities=mean, start_s=start_s, end_s=detection.time_s
        )
    except KeyboardInterrupt as error:
      self.interrupted = error

  def _heard(
    self, blocks: Iterator[NDArray[np.float32]]
  ) -> Iterator[tuple[NDArray[np.float64], triggers.Detection]]:
    most = 0
    if self._config.duration_s:
      most = max(1, round(self._config.duration_s * self._model.audio.sample_rate_hz))
    for samples in blocks:
      if most:
        samples = samples[: most - self.num_samples]
      self.num_samples += len(samples)
      if self.spectrogram:
        self.spectrogram.add(samples)
      yield from self._detected(samples)
      if most and self.num_samples >= most:
        break
    missing = self._model.least_samples - self.num_samples
    if 0 < missing < self._model.least_samples:  # Shorter than a window: padded as a clip.
      yield from self._detected(np.zeros(missing, np.float32))

  def _detected(
    self, samples: NDArray[np.float32]
  ) -> Iterator[tuple[NDArray[np.float64], triggers.Detection]]:
    caution = self._model.caution
    for num_samples, logits in self._scores.hear(samples):
      self.num_windows += 1
      time_s = min(num_samples, self.num_samples) / self._model.audio.sample_rate_hz
      posteriors = caution.probabilities(logits)
      if caution.rejects(logits[None])[0]:
        posteriors = np.zeros_like(posteriors)  # None of the labels is in it.
      mean = self._smoother.mean(time_s, posteriors)
      if not self.detections[None]:
        self._note_nearest(time_s, mean)
      for key, trigger in self._triggers.items():
        detection = trigger.hear(time_s, mean)
        if detection:
          self.detections[key].append(detection)
          if key is None:
            yield mean, detection

  def _note_nearest(self, time_s: float, mean: NDArray[np.float64]) -> None:
    label = int(np.argmax(np.where(self.detected, mean, -1.0)))
    if self.nearest is None or mean[label] > self.nearest.probability:
      self.nearest = triggers.Detection(time_s=time_s, label=label, probability=float(mean[label]))
