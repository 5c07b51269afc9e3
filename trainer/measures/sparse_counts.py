"""Counts of whole numbers, of which few of very many occur: of pairs of labels, and others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# So many different ones are held: 64 MiB with their counts.
MOST_HELD = 1 << 22


class SparseCounts:
  """How often each number was added; takes memory for those that occurred, and no more.

  Attributes:
    num_dropped: How much was added of numbers that are no longer counted: where more than MOST_HELD
      occur, the rarer half is dropped.
  """

  def __init__(self, *, most_held: int = MOST_HELD) -> None:
    self._most_held = most_held
    self._keys, self._counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    self._new: list[NDArray[np.int64]] = []
    self._num_new = 0
    self.num_dropped = 0

  def add(self, keys: NDArray[np.int64]) -> None:
    """Counts numbers, [any]."""
    self._new.append(keys)
    self._num_new += len(keys)
    # As many as are held already: so that each is merged a few times only.
    if self._num_new >= max(len(self._keys), 1 << 16):
      self._merge()

  def counted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the numbers that occurred, in order, and how often each did."""
    self._merge()
    return self._keys, self._counts

  def _merge(self) -> None:
    if not self._new:
      return
    found, counts = np.unique(np.concatenate(self._new), return_counts=True)
    self._new, self._num_new = [], 0
    keys, places = np.unique(np.concatenate([self._keys, found]), return_inverse=True)
    together = np.zeros(len(keys), np.int64)
    # Each number stands at most once in either.
    together[places[: len(self._keys)]] += self._counts
    together[places[len(self._keys) :]] += counts
    if len(keys) > self._most_held:
      kept = np.sort(np.argsort(-together, kind='stable')[: self._most_held // 2])
      self.num_dropped += int(together.sum() - together[kept].sum())
      keys, together = keys[kept], together[kept]
    self._keys, self._counts = keys, together
