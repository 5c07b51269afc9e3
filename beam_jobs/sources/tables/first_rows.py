"""Which ids a table has had already, and where, in little memory."""

import array

from schemas import stable_hash

_FEWEST_SLOTS = 1 << 10


class FirstRows:
  """Remembers the row of every id.

  Of an id it keeps 8 bytes of hash and 4 bytes of row number, in a table of open addressing that
  is between a third and two thirds full: 18 to 36 bytes per clip, where a dictionary of texts
  needs some 200. Two ids of ten million are taken for one with a chance of 1 in 400,000.
  """

  def __init__(self) -> None:
    self._num_ids = 0
    self._digests, self._rows = _empty(_FEWEST_SLOTS)

  def first(self, clip_id: str, row: int) -> int:
    """Returns the row that had this id before, or 0, and then remembers `row`.

    Args:
      clip_id: The id of a clip.
      row: Its row, from 1 to 2**32 - 1.
    """
    digest = int.from_bytes(stable_hash.digest(clip_id, salt='duplicate'), 'little')
    slot = self._slot(digest)
    if self._rows[slot]:
      return self._rows[slot]
    self._digests[slot], self._rows[slot] = digest, row
    self._num_ids += 1
    if 3 * self._num_ids > 2 * len(self._rows):
      self._grow()
    return 0

  def _slot(self, digest: int) -> int:
    """Returns where a digest stands, or the free place where it belongs."""
    last = len(self._rows) - 1  # The number of slots is a power of two.
    slot = digest & last
    while self._rows[slot] and self._digests[slot] != digest:
      slot = (slot + 1) & last
    return slot

  def _grow(self) -> None:
    digests, rows = self._digests, self._rows
    self._digests, self._rows = _empty(2 * len(rows))
    for digest, row in zip(digests, rows, strict=True):
      if row:
        slot = self._slot(digest)
        self._digests[slot], self._rows[slot] = digest, row


def _empty(num_slots: int) -> tuple['array.array[int]', 'array.array[int]']:
  return array.array('Q', bytes(8 * num_slots)), array.array('I', bytes(4 * num_slots))
