"""What Beam shuffles: a clip's reference, small and plain."""

import dataclasses
from collections.abc import Iterable

from schemas import stable_hash
from schemas.utterance import Excerpt, Utterance


@dataclasses.dataclass(frozen=True)
class Reference:
  """An utterance on its way to its shard.

  Attributes:
    utterance_id: Utterance.utterance_id.
    speaker_id: Utterance.speaker_id.
    label: Number of the label in the plan's list.
    uri: The file to read.
    excerpt: Utterance.excerpt.
    origin: Utterance.origin.
    num_records: Records that are made of it: augmented copies and repetitions count.
  """

  utterance_id: str
  speaker_id: str
  label: int
  uri: str
  excerpt: Excerpt | None = None
  origin: str = ''
  num_records: int = 1

  def to_json(self) -> list[object]:
    """Returns plain values, for digests."""
    return [
      self.utterance_id,
      self.speaker_id,
      self.label,
      self.uri,
      dataclasses.astuple(self.excerpt) if self.excerpt else (),
      self.origin,
      self.num_records,
    ]


def of(utterance: Utterance, label: int, *, num_records: int = 1) -> Reference:
  """Returns the reference to an utterance."""
  return Reference(
    utterance.utterance_id,
    utterance.speaker_id,
    label,
    utterance.uri,
    utterance.excerpt,
    utterance.origin,
    num_records,
  )


@dataclasses.dataclass(frozen=True)
class Item:
  """One record that is to be made.

  Attributes:
    reference: The clip.
    copy: 0 for the clip itself; from 1 on a copy of it.
  """

  reference: Reference
  copy: int

  @property
  def record_id(self) -> str:
    """The record's id: the utterance's, with the number of the copy behind it."""
    utterance_id = self.reference.utterance_id
    return f'{utterance_id}#copy{self.copy}' if self.copy else utterance_id


def items_in_order(references: Iterable[Reference], seed: int) -> list[Item]:
  """Returns every record of a shard by a hash of its id: reading in order is reading shuffled.

  A copy stands as far from its original as from any other record.
  """
  items = [Item(ref, copy) for ref in references for copy in range(ref.num_records)]
  salt = f'order{seed}'
  return sorted(
    items, key=lambda item: (stable_hash.digest(item.record_id, salt=salt), item.record_id)
  )
