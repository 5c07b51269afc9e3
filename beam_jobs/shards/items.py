"""The records of a shard, before any of them is made: which clip, which copy, in which order."""

import dataclasses
from collections.abc import Iterable

from schemas import record, stable_hash
from schemas.utterance import Utterance


@dataclasses.dataclass(frozen=True)
class Item:
  """One record that is to be made.

  Attributes:
    utterance: The clip.
    label: Number of its label in the plan's list.
    copy: 0 for the clip itself; from 1 on a copy of it.
  """

  utterance: Utterance
  label: int
  copy: int = 0

  @property
  def record_id(self) -> str:
    """The record's id: the utterance's, with the number of the copy behind it."""
    return record.copy_id(self.utterance.utterance_id, self.copy)


def in_order(items: Iterable[Item], seed: int) -> list[Item]:
  """Returns the records of a shard by a hash of their ids: reading in order is reading shuffled.

  A copy stands as far from its original as from any other record.
  """
  salt = f'order{seed}'
  return sorted(
    items, key=lambda item: (stable_hash.digest(item.record_id, salt=salt), item.record_id)
  )
