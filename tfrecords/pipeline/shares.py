"""What of a split each of several readers takes: of every batch its part, or shards of its own.

A reader is a worker: a process of a training on several machines, with one or more replicas. In a
batch every replica has its part; the parts differ by at most one example.
"""

import dataclasses
from collections.abc import Sequence

# A worker with fewer shards would mix the records of few speakers.
MIN_SHARDS = 8
# By how much the records of two workers may differ, as each goes through its own at the same pace.
_MAX_IMBALANCE = 1.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
  """What one reader takes.

  Attributes:
    shards: Indexes among the shards that have records; () takes all.
    first_part: Of the parts of each batch, the first that the reader takes.
    last_part: The one behind the last.
    num_parts: Into how many each batch is divided. Parts come one after the other, as batches.
  """

  shards: tuple[int, ...] = ()
  first_part: int = 0
  last_part: int = 1
  num_parts: int = 1


ALL = Share()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
  """Where a reader stands among all.

  Attributes:
    worker: Its number, from 0.
    num_workers: How many there are.
    num_replicas: Replicas of all workers; each has as many.
  """

  worker: int = 0
  num_workers: int = 1
  num_replicas: int = 1

  @property
  def local_replicas(self) -> int:
    """Replicas of each worker."""
    return self.num_replicas // self.num_workers


def by_record(place: Place) -> Share:
  """Returns the share of a worker that reads all, and parses its parts of each batch.

  All workers together have the batches that a single one would have.
  """
  local = place.local_replicas
  return Share(
    first_part=place.worker * local,
    last_part=(place.worker + 1) * local,
    num_parts=place.num_replicas,
  )


def by_shard(place: Place, counts: Sequence[int]) -> Share | None:
  """Returns the share of a worker that reads shards of its own, a batch for its replicas alone.

  Args:
    place: Which worker.
    counts: Records of each shard.

  Returns:
    None if there are too few shards, or none that can be divided evenly.
  """
  shards: list[list[int]] = [[] for _ in range(place.num_workers)]
  records = [0] * place.num_workers
  for index in sorted(range(len(counts)), key=lambda i: (-counts[i], i)):
    least = records.index(min(records))
    shards[least].append(index)
    records[least] += counts[index]
  if min(map(len, shards)) < MIN_SHARDS or max(records) > _MAX_IMBALANCE * min(records):
    return None
  local = place.local_replicas
  return Share(shards=tuple(sorted(shards[place.worker])), last_part=local, num_parts=local)


def part_bounds(num_examples: int, num_parts: int) -> list[int]:
  """Returns where the parts of a batch begin, and where the last ends; the first are the larger."""
  least, more = divmod(num_examples, num_parts)
  return [i * least + min(i, more) for i in range(num_parts + 1)]


def worker_batch_size(place: Place, batch_size: int) -> int:
  """Returns how many examples of each batch the replicas of a worker take."""
  bounds, share = part_bounds(batch_size, place.num_replicas), by_record(place)
  return bounds[share.last_part] - bounds[share.first_part]
