"""Picks clips by a hash of their ids: the same ones in every run, wherever the corpus lies."""

import heapq
from typing import Generic, TypeVar

from schemas import stable_hash

_SALT = 'explore'

Item = TypeVar('Item')


class Lowest(Generic[Item]):
  """Keeps the items with the lowest hashes, in memory that grows with `limit` alone."""

  def __init__(self, limit: int) -> None:
    self._limit = limit
    # The largest of those kept comes first: numbers of a heap are the other way round.
    self._heap: list[tuple[int, int, Item]] = []
    self._count = 0

  def wants(self, clip_id: str) -> bool:
    """Whether an item with this id would be kept: who makes items at a cost asks first."""
    return bool(self._limit) and (len(self._heap) < self._limit or _key(clip_id) > self._heap[0][0])

  def offer(self, clip_id: str, item: Item) -> None:
    """Keeps an item, if the hash of its id is among the lowest."""
    if not self.wants(clip_id):
      return
    # Of equal hashes the first offered is kept.
    self._count += 1
    entry = (_key(clip_id), -self._count, item)
    if len(self._heap) < self._limit:
      heapq.heappush(self._heap, entry)
    else:
      heapq.heapreplace(self._heap, entry)

  def items(self) -> list[Item]:
    """Returns what was kept, the lowest hash first."""
    return [item for _, _, item in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))]


def _key(clip_id: str) -> int:
  return -int.from_bytes(stable_hash.digest(clip_id, salt=_SALT), 'big')
