"""Utterances and references on their way through Beam: some thousand to an element.

Beam takes some 20 us for an element at every step, and its local runner holds all of them, 2 kB for
a clip. In a block a clip takes about 20 bytes: neighbours have most of their paths in common.
"""

import itertools
import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

# A block that is unpacked takes some 5 MB.
BLOCK_CLIPS = 4_096

Block = bytes
_Item = TypeVar('_Item')


def lists(items: Iterable[_Item], most: int = BLOCK_CLIPS) -> Iterator[list[_Item]]:
  """Yields items, such as utterances, in lists of so many at most, in their order."""
  source = iter(items)
  while some := list(itertools.islice(source, most)):
    yield some


def pack(items: Sequence[Any]) -> Block:
  """Returns items as one block: as Beam would send them, and smaller."""
  return zlib.compress(pickle.dumps(items, protocol=5), level=1)


def unpack(block: Block) -> list[Any]:
  """Returns what `pack` was given."""
  items: list[Any] = pickle.loads(zlib.decompress(block))
  return items
