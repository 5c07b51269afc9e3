"""What Beam shuffles: a clip's reference, small and plain."""

import dataclasses

from schemas import stable_hash
from schemas.utterance import Utterance


@dataclasses.dataclass(frozen=True)
class Reference:
  """An utterance on its way to its shard.

  Attributes:
    utterance_id: Utterance.utterance_id.
    speaker_id: Utterance.speaker_id.
    label: Number of the label in the plan's list.
    uri: The file to read.
  """

  utterance_id: str
  speaker_id: str
  label: int
  uri: str

  def to_tuple(self) -> tuple[str, str, int, str]:
    """Returns plain values, which Beam encodes with its own compact coders."""
    return self.utterance_id, self.speaker_id, self.label, self.uri


def of(utterance: Utterance, label: int) -> Reference:
  """Returns the reference to an utterance."""
  return Reference(utterance.utterance_id, utterance.speaker_id, label, utterance.uri)


@dataclasses.dataclass(frozen=True)
class OrderKey:
  """Sorts references by a hash of their id: reading a shard in order is reading it shuffled."""

  seed: int

  def __call__(self, reference: Reference) -> tuple[bytes, str]:
    """Returns the hash, and the id for the case that two hashes are equal."""
    digest = stable_hash.digest(reference.utterance_id, salt=f'order{self.seed}')
    return digest, reference.utterance_id
