"""A label as a detector, which waits for it among all others: what it misses, when it errs.

Source of the curve: Martin et al., "The DET Curve in Assessment of Detection Task Performance"
(1997). Each clip is one decision; how many a stream of sound holds is for who uses the model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.measures import score_steps

# Shares of the label's clips that are to be found.
RECALLS = (0.5, 0.8, 0.9, 0.95)
MAX_POINTS = 64
SECONDS_PER_HOUR = 3600.0


class Operation(NamedTuple):
  """Where a wanted share of a label's clips is found.

  Attributes:
    probability: The threshold: the highest that finds as many.
    recall: The share that it finds, at least what was wanted.
    num_false_alarms: Clips of other labels that are found too.
  """

  probability: float
  recall: float
  num_false_alarms: int


def at_recall(steps: score_steps.Steps, recall: float) -> Operation:
  """Returns the highest threshold that finds a share of the label's clips, which there must be."""
  found = np.cumsum(steps.positives)
  # A share of 0.9 of 10 is 9, whatever floating point makes of it.
  wanted = int(np.ceil(np.round(recall * found[-1], 9)))
  i = int(np.searchsorted(found, max(wanted, 1)))
  return Operation(
    probability=float(score_steps.probabilities(steps.thresholds[i : i + 1])[0]),
    recall=float(found[i] / found[-1]),
    num_false_alarms=int(steps.negatives[: i + 1].sum()),
  )


def curve(
  steps: score_steps.Steps, *, most: int = MAX_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
  """Returns points of the DET curve: false alarms and false rejections, shares in [0, 1].

  From the highest threshold to the lowest. Of long curves `most` points are left, those that are
  next to even distances of both shares on the curve's scale, that of a normal distribution.
  """
  found, wrong = np.cumsum(steps.positives), np.cumsum(steps.negatives)
  alarms, rejections = wrong / wrong[-1], 1 - found / found[-1]
  # A corner is where either changes; between two of the same kind the line is straight.
  if len(alarms) > most:
    place = _distance(alarms, wrong[-1]) - _distance(rejections, found[-1])
    even = np.linspace(place[0], place[-1], most)
    chosen = np.unique(np.clip(np.searchsorted(place, even), 0, len(place) - 1))
    alarms, rejections = alarms[chosen], rejections[chosen]
  return alarms, rejections


def _distance(shares: NDArray[np.float64], count: int) -> NDArray[np.float64]:
  from scipy import special

  # None and all lie at infinity: half a clip from them is near enough.
  half = 0.5 / count
  distances: NDArray[np.float64] = special.ndtri(np.clip(shares, half, 1 - half))
  return distances
