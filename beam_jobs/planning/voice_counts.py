"""Voices among the speakers of a split: recordings of noise are speakers too, and no voices."""

import dataclasses
from collections.abc import Collection

from schemas import utterance


@dataclasses.dataclass(frozen=True, kw_only=True)
class Voices:
  """Who speaks in a split.

  Attributes:
    count: How many voices.
    first: The name of the first of them; '' without any.
    num_noises: Recordings of noise, which are no voices.
  """

  count: int
  first: str = ''
  num_noises: int = 0

  @classmethod
  def of(cls, speakers: Collection[str]) -> 'Voices':
    """The voices among the speakers of a split."""
    noises = sum(map(utterance.is_noise, speakers))
    first = min((name for name in speakers if not utterance.is_noise(name)), default='')
    return cls(count=len(speakers) - noises, first=first, num_noises=noises)
