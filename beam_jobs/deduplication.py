"""The steps that only --duplicates=drop and --duplicates=group take: all audio is read beforehand.

What is held of a clip is a digest of 8 bytes; names only of those that are there twice.
"""

import array
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


class _DigestDoFn(transforms.JobDoFn):
  """Reads clips as they will be read for their shards; what cannot be used is left for then."""

  def setup(self) -> None:
    self._page = self._job.channel.worker_page()

  def teardown(self) -> None:
    self._page.close()

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


def _members(digested: Digested, repeated: frozenset[int]) -> Iterator[tuple[bytes, str]]:
  """Yields (digest, id) of the clips that are there more than once."""
  block, digests = digested
  if repeated.isdisjoint(digests):
    return
  for utterance, digest in zip(blocks.unpack(block), digests, strict=True):
    if digest in repeated:
      # As bytes: Beam's whole numbers have a sign.
      yield digest.to_bytes(8, 'big'), utterance.utterance_id


class _FirstsFn(beam.CombineFn):
  """(digest, id) -> the first id, by its code points, of the same audio, by each id."""

  def create_accumulator(self) -> dict[bytes, list[str]]:
    return {}

  def add_input(
    self, members: dict[bytes, list[str]], member: tuple[bytes, str]
  ) -> dict[bytes, list[str]]:
    members.setdefault(member[0], []).append(member[1])
    return members

  def merge_accumulators(
    self, accumulators: Iterable[dict[bytes, list[str]]]
  ) -> dict[bytes, list[str]]:
    total: dict[bytes, list[str]] = {}
    for members in accumulators:
      for digest, ids in members.items():
        total.setdefault(digest, []).extend(ids)
    return total

  def extract_output(self, members: dict[bytes, list[str]]) -> dict[str, str]:
    return {name: min(ids) for ids in members.values() for name in ids}


class _SettleDoFn(transforms.JobDoFn):
  def process(self, digested: Digested, firsts: Mapping[str, str]) -> Iterator[Any]:
    with self._job.channel.reporting(_COMPARING, in_part=True):
      utterances = blocks.unpack(digested[0])
      kept = settled(utterances, firsts, self._job.config.duplicates)
    yield blocks.pack(kept)
    if len(kept) < len(utterances):
      left_out = LeftOut(reason='same_audio', count=len(utterances) - len(kept))
      yield pvalue.TaggedOutput(transforms.REJECTS, left_out)


def settled(
  utterances: Sequence[Utterance], firsts: Mapping[str, str], duplicates: str
) -> list[Utterance]:
  """Returns the utterances that stay, in their order.

  Args:
    utterances: Some of the corpus.
    firsts: From the id of each that is there more than once to the first id of the same audio.
    duplicates: rules.DROP: the later are left out; rules.GROUP: all are marked.
  """
  if duplicates == rules.DROP:
    return [one for one in utterances if firsts.get(one.utterance_id, '') in ('', one.utterance_id)]
  return [
    dataclasses.replace(one, same_as=firsts[one.utterance_id])
    if one.utterance_id in firsts
    else one
    for one in utterances
  ]
