"""The steps that only --duplicates=drop and --duplicates=group take: all audio is read beforehand.

What is held of a clip is a digest of 8 bytes; names only of those that are there twice.
"""

import array
import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import rules, transforms
from beam_jobs.shards import blocks, loading
from beam_jobs.shards import items as items_lib
from features.decoding import sample_digest
from schemas.rejects import LeftOut
from schemas.utterance import Utterance

# What one worker reads at a time.
_PIECE_CLIPS = 256
_READING, _COMPARING = 'reading', 'comparing'

# A block of utterances, and the digest of each.
Digested = tuple[blocks.Block, array.array]
# The id of a clip, and its label.
Named = tuple[str, str]


@beam.ptransform_fn
def settle_duplicates(utterances: Any, job: transforms.Job) -> Any:
  """Blocks of utterances -> the same without, or with a mark on, those whose audio is the same.

  Beside them, how many are left out.
  """
  digested = (
    utterances
    | 'Cut' >> beam.FlatMap(_pieces)
    # The listing is one worker's; this is what spreads the reading over all.
    | 'Spread' >> beam.Reshuffle()
    | 'Read' >> beam.ParDo(_DigestDoFn(job))
  )
  repeated = (
    digested | 'Digests' >> beam.Map(_digests) | 'Repeated' >> beam.CombineGlobally(_RepeatedFn())
  )
  firsts = (
    digested
    | 'Members' >> beam.FlatMap(_members, pvalue.AsSingleton(repeated))
    | 'Firsts' >> beam.CombineGlobally(_FirstsFn())
  )
  settle = beam.ParDo(_SettleDoFn(job), pvalue.AsSingleton(firsts))
  return digested | 'Settle' >> settle.with_outputs(transforms.REJECTS, main=transforms.UTTERANCES)


def _pieces(block: blocks.Block) -> Iterator[blocks.Block]:
  utterances = blocks.unpack(block)
  for start in range(0, len(utterances), _PIECE_CLIPS):
    yield blocks.pack(utterances[start : start + _PIECE_CLIPS])


class _DigestDoFn(transforms.PageDoFn):
  """Reads clips as they will be read for their shards; what cannot be used is left for then."""

  def process(self, block: blocks.Block) -> Iterator[Digested]:
    with self._job.channel.reporting(_READING, in_part=True):
      items = [items_lib.Item(utterance, 0) for utterance in blocks.unpack(block)]
      loaded = loading.Loader(self._job.config, self._page).load_all(items)
      nothing = sample_digest.NOTHING
      digests = [sample_digest.of(one.clip.samples) if one.clip else nothing for one in loaded]
    yield block, array.array('Q', digests)


def _digests(digested: Digested) -> array.array:
  return digested[1]


class _RepeatedFn(beam.CombineFn):
  """Digests -> those that are there more than once."""

  def create_accumulator(self) -> array.array:
    return array.array('Q')

  def add_input(self, all_digests: array.array, digests: array.array) -> array.array:
    all_digests.extend(digests)
    return all_digests

  def merge_accumulators(self, accumulators: Iterable[array.array]) -> array.array:
    total = array.array('Q')
    for digests in accumulators:
      total.extend(digests)
    return total

  def extract_output(self, all_digests: array.array) -> frozenset[int]:
    import numpy as np

    found, counts = np.unique(np.frombuffer(all_digests, np.uint64), return_counts=True)
    repeated = found[(counts > 1) & (found != sample_digest.NOTHING)]
    return frozenset(repeated.tolist())


def _members(digested: Digested, repeated: frozenset[int]) -> Iterator[tuple[bytes, Named]]:
  """Yields digest and name of the clips that are there more than once."""
  block, digests = digested
  if repeated.isdisjoint(digests):
    return
  for utterance, digest in zip(blocks.unpack(block), digests, strict=True):
    if digest in repeated:
      # As bytes: Beam's whole numbers have a sign.
      yield digest.to_bytes(8, 'big'), (utterance.utterance_id, utterance.label)


class _FirstsFn(beam.CombineFn):
  """Digest and name -> the first, by the code points of its id, of the same audio, by each id."""

  def create_accumulator(self) -> dict[bytes, list[Named]]:
    return {}

  def add_input(
    self, members: dict[bytes, list[Named]], member: tuple[bytes, Named]
  ) -> dict[bytes, list[Named]]:
    members.setdefault(member[0], []).append(member[1])
    return members

  def merge_accumulators(
    self, accumulators: Iterable[dict[bytes, list[Named]]]
  ) -> dict[bytes, list[Named]]:
    total: dict[bytes, list[Named]] = {}
    for members in accumulators:
      for digest, named in members.items():
        total.setdefault(digest, []).extend(named)
    return total

  def extract_output(self, members: dict[bytes, list[Named]]) -> dict[str, Named]:
    firsts = {digest: min(named) for digest, named in members.items()}
    return {name: firsts[digest] for digest, named in members.items() for name, _ in named}


class _SettleDoFn(transforms.JobDoFn):
  def process(self, digested: Digested, firsts: Mapping[str, Named]) -> Iterator[Any]:
    with self._job.channel.reporting(_COMPARING, in_part=True):
      utterances = blocks.unpack(digested[0])
      kept = settled(utterances, firsts, self._job.config.duplicates)
    yield blocks.pack(kept)
    is_kept = {utterance.utterance_id for utterance in kept}
    left_out = collections.Counter(
      'same_audio' if firsts[one.utterance_id][1] == one.label else 'other_label'
      for one in utterances
      if one.utterance_id not in is_kept
    )
    for reason, count in sorted(left_out.items()):
      yield pvalue.TaggedOutput(transforms.REJECTS, LeftOut(reason=reason, count=count))


def settled(
  utterances: Sequence[Utterance], firsts: Mapping[str, Named], duplicates: str
) -> list[Utterance]:
  """Returns the utterances that stay, in their order.

  Args:
    utterances: Some of the corpus.
    firsts: From the id of each that is there more than once to the first of the same audio.
    duplicates: rules.DROP: the later are left out; rules.GROUP: all are marked.
  """
  found = ((one, firsts.get(one.utterance_id)) for one in utterances)
  if duplicates == rules.DROP:
    return [one for one, first in found if first is None or first[0] == one.utterance_id]
  return [dataclasses.replace(one, same_as=first[0]) if first else one for one, first in found]
