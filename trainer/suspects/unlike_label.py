"""Clips whose sound is far from that of the others with their label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Of fewer clips nobody knows what is usual.
_FEWEST = 10
# So many deviations, estimated by medians, beyond the median distance.
_FAR = 6.0
_TO_DEVIATION = 1.4826  # Of the normal distribution: deviation over median absolute deviation.


def find(values: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
  """Returns which clips are far from the mean of their label.

  Args:
    values: Fingerprints of one scale, [clips, values].
    labels: The clips' labels.
  """
  far = np.zeros(len(labels), bool)
  order = np.argsort(labels, kind='stable')
  starts = np.flatnonzero(np.append(True, labels[order][1:] != labels[order][:-1]))
  for members in np.split(order, starts[1:]):
    if len(members) < _FEWEST:
      continue
    mean = values[members].mean(axis=0, dtype=np.float64)
    distances = np.linalg.norm(values[members] - mean, axis=1)
    middle = np.median(distances)
    spread = _TO_DEVIATION * np.median(np.abs(distances - middle))
    far[members] = (distances > middle + _FAR * spread) & (spread > 0)
  return far
