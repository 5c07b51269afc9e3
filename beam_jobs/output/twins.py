"""The same audio, or the same picture, under two names: found by digests, and named.

Held in memory, with what sorting them takes, are some 40 bytes a record: 400 MB for ten million.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from beam_jobs import config as config_lib
from beam_jobs.output import folder
from features.decoding import sample_digest
from pages import words
from schemas import errors, splits
from tfrecords import reader
from tfrecords.finishing import shard_result
from tfrecords.wire import codec

# So many are named, by two of their names each. For a name its shard is read again, up
# to where the record stands.
_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Twins:
  """Records that have the digest of another.

  Attributes:
    places: Their numbers, counted through all shards, by digest and then by number.
    starts: Where a new digest begins in `places`.
    split_of: Number of the split of each of `places`, in the order of schemas.splits.SPLITS.
  """

  places: NDArray[np.int64]
  starts: NDArray[np.int64]
  split_of: NDArray[np.int8]

  @property
  def is_leaking(self) -> NDArray[np.bool_]:
    """Of each digest, whether it is in more than one split."""
    first = np.minimum.reduceat(self.split_of, self.starts)
    return first != np.maximum.reduceat(self.split_of, self.starts)

  def pair(self, index: int) -> tuple[int, int]:
    """Returns two places of a digest: in two splits, if it is in two."""
    end = self.starts[index + 1] if index + 1 < len(self.starts) else len(self.places)
    these = slice(self.starts[index], end)
    places, found = self.places[these], self.split_of[these]
    other = np.flatnonzero(found != found[0])
    return int(places[0]), int(places[other[0] if len(other) else 1])


def find(results: Sequence[shard_result.ShardResult]) -> Twins | None:
  """Returns the records whose digest another one has too; None if there are none."""
  parts = [np.frombuffer(result.digests, '<u8') for result in results]
  digests = np.concatenate([*parts, np.zeros(0, '<u8')])
  order = np.argsort(digests, kind='stable')
  ordered = digests[order]
  is_same = ordered[1:] == ordered[:-1]
  is_same &= ordered[1:] != sample_digest.NOTHING
  repeated = np.flatnonzero(np.append(is_same, False) | np.append(False, is_same))
  if not len(repeated):
    return None
  places, values = order[repeated], ordered[repeated]
  ends = np.cumsum([len(part) for part in parts])
  numbers = np.array([splits.SPLITS.index(result.info.split) for result in results], np.int8)
  return Twins(
    places=places,
    starts=np.flatnonzero(np.append(True, values[1:] != values[:-1])),
    split_of=numbers[np.searchsorted(ends, places, side='right')],
  )


def warnings(
  results: Sequence[shard_result.ShardResult], config: config_lib.FeaturizeConfig
) -> Iterator[str]:
  """Yields a sentence if records are the same, with the names of some."""
  twins = find(results)
  if twins is None:
    return
  leaking = np.flatnonzero(twins.is_leaking)
  told = leaking if len(leaking) else np.arange(len(twins.starts))
  names = _named(results, config, twins, told)
  noun, what = ('clip', 'recording') if config.audio else ('picture', 'picture')
  said = (
    f'{words.counted(len(twins.places), noun, "has", "have")} the same '
    f'{"samples" if config.audio else "pixels"} as another: '
    f'{words.counted(len(twins.starts), what)}'
  )
  if not len(leaking):
    yield f'{said}, each in one split ({names}). --duplicates=drop takes one of each.'
    return
  yield (
    f'{said}, {len(leaking):,} of them in more than one split ({names}). The accuracy on these is '
    'that of a memory: --duplicates=group keeps them in one split, --duplicates=drop takes one of '
    'each.'
  )


def _named(
  results: Sequence[shard_result.ShardResult],
  config: config_lib.FeaturizeConfig,
  twins: Twins,
  told: NDArray[np.int64],
) -> str:
  pairs = [twins.pair(int(index)) for index in told[:_MOST_NAMED]]
  names = _names(results, config, sorted(itertools.chain(*pairs)))
  shown = sorted(' = '.join(sorted(names[place] for place in pair)) for pair in pairs)
  return errors.some(shown, _MOST_NAMED, of=len(told))


def _names(
  results: Sequence[shard_result.ShardResult],
  config: config_lib.FeaturizeConfig,
  places: Sequence[int],
) -> dict[int, str]:
  """Returns the id and the split of records, by their place in all shards."""
  dataset = folder.unfinished(config)
  names: dict[int, str] = {}
  first = 0
  for result in results:
    num_records = result.info.num_records
    wanted = [place - first for place in places if first <= place < first + num_records]
    if wanted:
      path = dataset.path(result.info.file_name)
      records = itertools.islice(reader.read_records(path, dataset.files), wanted[-1] + 1)
      for index, data in enumerate(records):
        if index in wanted:
          found = codec.decode(data, config.features).utterance_id
          names[first + index] = f'{found} ({result.info.split})'
    first += num_records
  return names
