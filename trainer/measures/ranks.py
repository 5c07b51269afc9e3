"""At which place the true label stands among all, by logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOP_KS = (3, 5)


def of_labels(labels: NDArray[np.int64], logits: NDArray[np.float32]) -> NDArray[np.int64]:
  """Returns the places from 0 on; equal logits in the order of labels, as argmax has them.

  Args:
    labels: [clips].
    logits: [clips, labels].
  """
  own = logits[np.arange(len(labels)), labels][:, np.newaxis]
  is_before = np.arange(logits.shape[1]) < labels[:, np.newaxis]
  places: NDArray[np.int64] = ((logits > own) | ((logits == own) & is_before)).sum(axis=1)
  return places


def of_top(labels: NDArray[np.int64], top: NDArray[np.int64]) -> NDArray[np.int64]:
  """Returns the same of the labels of the highest logits only; their number where it is none.

  Args:
    labels: [clips].
    top: Labels, the highest first, [clips, some].
  """
  is_it = top == labels[:, np.newaxis]
  return np.where(is_it.any(axis=1), is_it.argmax(axis=1), top.shape[1])
