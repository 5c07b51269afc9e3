"""From the scores of windows to detections: smoothing, threshold, refractory time.

After RecognizeCommands of TensorFlow's example of speech commands (tensorflow/examples/
speech_commands/recognize_commands.py, of Warden, "Speech Commands: A Dataset for Limited-Vocabulary
Speech Recognition", 2018): the posteriors of the last moments are averaged, the most probable label
counts where its mean reaches a threshold, and after a detection there is none for a while.

Deviations. There, a label is detected again only after another one (silence is one) was; here also
where its mean fell below the threshold or another label was on top in between, as not every model
knows silence. There, at least three scores and a quarter of the time must have come; here one is
enough. There, the defaults are 1 s, 0.7 and 1.5 s.
"""

from __future__ import annotations

import collections
import dataclasses

import numpy as np
from numpy.typing import NDArray

# Times are multiples of a hop, and not exact.
_ROUNDING_S = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detection:
  """A label that was heard.

  Attributes:
    time_s: When it was detected, in seconds from the start: the end of the last window.
    label: Its number.
    probability: The mean of its posteriors.
  """

  time_s: float
  label: int
  probability: float


class Smoother:
  """The mean of the posteriors of the last `smoothing_s` seconds; 0: those of the last window."""

  def __init__(self, smoothing_s: float) -> None:
    self._smoothing_s = smoothing_s
    self._last: collections.deque[tuple[float, NDArray[np.float64]]] = collections.deque()

  def mean(self, time_s: float, posteriors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Takes the posteriors of a window by its end, and returns the mean, float64 [labels]."""
    self._last.append((time_s, posteriors))
    while len(self._last) > 1 and self._last[0][0] <= time_s - self._smoothing_s + _ROUNDING_S:
      self._last.popleft()
    found: NDArray[np.float64] = np.mean([values for _, values in self._last], axis=0)
    return found


class Trigger:
  """Says when a mean of posteriors is a detection."""

  def __init__(self, detected: NDArray[np.bool_], *, threshold: float, refractory_s: float) -> None:
    """Takes which labels are detected, bool [labels]; the least mean; the time without others."""
    self._detected = detected
    self._threshold = threshold
    self._refractory_s = refractory_s
    self._held = -1  # The label that was detected last, for as long as it goes on.
    self._last_s = -np.inf

  def hear(self, time_s: float, mean: NDArray[np.float64]) -> Detection | None:
    """Takes the mean at a time; returns what is detected then."""
    label = int(np.argmax(mean))
    probability = float(mean[label])
    if probability < self._threshold or not self._detected[label]:
      self._held = -1
      return None
    is_new = label != self._held
    if not is_new or time_s - self._last_s < self._refractory_s - _ROUNDING_S:
      return None
    self._held, self._last_s = label, time_s
    return Detection(time_s=time_s, label=label, probability=probability)
