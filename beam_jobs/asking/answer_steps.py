"""The job that asks a model, as Beam transforms: references are shuffled, audio never.

Entries keep the order in which the source lists them: they are numbered as they come, a shard is
a run of numbers, and shards are about of one size. So the answers, shard behind shard, stand in the
order of the corpus, whatever runner and however many workers.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import transforms
from beam_jobs.asking import answer_shard, answers_folder, answers_summary, ask_config
from beam_jobs.planning import packing
from beam_jobs.shards import blocks
from exports import submissions
from schemas import errors, naming, utterance
from schemas.rejects import LeftOut, Noted, Reject
from tfrecords.finishing import shard_result as shard_result

# The number of the first entry of a block, how many it has, and the block.
_Numbered = tuple[int, int, blocks.Block]
# A block goes whole to all shards that have a part of it, and each unpacks it: so it is small.
_BLOCK_CLIPS = 512
_LISTING, _PLANNING, _FINISHING = 'listing', 'planning', 'finishing'

# As many shards where there are entries enough, so that a small corpus runs in parallel too.
_MIN_SHARDS = 16
_ENOUGH_CLIPS = 256
_ENOUGH_RECORDINGS = 4


def build(root: beam.Pipeline, job: transforms.Job[ask_config.AskConfig]) -> None:
  """Adds the whole job to a pipeline."""
  listed = root | 'Corpus' >> beam.Create([None])
  entries, unusable = listed | 'List' >> beam.ParDo(_NumberDoFn(job)).with_outputs(
    transforms.REJECTS, main=transforms.UTTERANCES
  )
  total = entries | 'Count' >> beam.Map(_num_entries) | 'Total' >> beam.CombineGlobally(sum)
  plan = pvalue.AsSingleton(total | 'Plan' >> beam.ParDo(_PlanDoFn(job)))
  groups = entries | 'Assign' >> beam.ParDo(_AssignDoFn(), plan) | 'Group' >> beam.GroupByKey()
  shards = groups | 'Ask' >> beam.ParDo(_AskDoFn(job), plan)
  _ = (
    root
    | 'End' >> beam.Create([None])
    | 'Summary'
    >> beam.ParDo(_FinishDoFn(job), plan, pvalue.AsList(shards), pvalue.AsList(unusable))
  )


@dataclasses.dataclass(frozen=True)
class Plan:
  """Which entry goes to which shard.

  Attributes:
    num_entries: Of the corpus.
    num_shards: At most as many.
  """

  num_entries: int
  num_shards: int

  def shard_of(self, number: int) -> int:
    """Returns the shard of an entry."""
    return number * self.num_shards // self.num_entries

  def first_of(self, shard: int) -> int:
    """Returns the number of the first entry of a shard."""
    return -(-shard * self.num_entries // self.num_shards)


def make_plan(num_entries: int, config: ask_config.AskConfig) -> Plan:
  """Returns the plan for a corpus.

  Raises:
    SourceError: if there is no entry.
  """
  if not num_entries:
    raise errors.SourceError(
      f'No usable clip was found in {config.input!r} by the source {config.source!r}: every entry '
      f'was rejected. See {naming.REJECTS} in {config.output!r}, and check --source and --input.'
    )
  enough = _ENOUGH_RECORDINGS if config.windows else _ENOUGH_CLIPS
  num_shards = packing.num_shards(
    num_entries, max_clips=config.shard_clips, min_shards=_MIN_SHARDS, enough_clips=enough
  )
  return Plan(num_entries, num_shards)


def _num_entries(numbered: _Numbered) -> int:
  return numbered[1]


class _NumberDoFn(transforms.JobDoFn):
  # Any: Beam would take the tagged rejects for a part of the main output's type.
  def process(self, element: None) -> Iterator[Any]:
    number = 0
    # Nothing is asked before all is listed: two clips of one name cost no answers.
    names = submissions.Names(submissions.KAGGLE) if self._job.config.is_submission else None
    for found in transforms.listed(self._job.config, self._job.channel, _BLOCK_CLIPS):
      if isinstance(found, pvalue.TaggedOutput):
        yield found
        continue
      if names:
        self._check(names, found)
      yield number, len(found), blocks.pack(found)
      number += len(found)

  def _check(self, names: submissions.Names, found: list[utterance.Utterance]) -> None:
    with self._job.channel.reporting(_LISTING):
      for one in found:
        names.add(one.utterance_id)


class _PlanDoFn(transforms.JobDoFn):
  def process(self, num_entries: int) -> Iterator[Plan]:
    with self._job.channel.reporting(_PLANNING):
      plan = make_plan(num_entries, self._job.config)
    self._job.channel.set_total(num_entries)
    yield plan


class _AssignDoFn(beam.DoFn):
  def process(self, numbered: _Numbered, plan: Plan) -> Iterator[tuple[int, _Numbered]]:
    first, num_clips, _ = numbered
    for shard in range(plan.shard_of(first), plan.shard_of(first + num_clips - 1) + 1):
      yield shard, numbered


class _AskDoFn(transforms.PageDoFn):
  def process(
    self, group: tuple[int, Iterable[_Numbered]], plan: Plan
  ) -> Iterator[answer_shard.Made]:
    shard, numbered = group
    name = answers_folder.shard_name(shard, plan.num_shards, self._job.config.format)
    with self._job.channel.reporting(name):
      utterances = list(_of_shard(sorted(numbered), plan.first_of(shard), plan.first_of(shard + 1)))
      made = answer_shard.write_or_take_over(utterances, self._job.config, name, self._page)
    yield made


def _of_shard(numbered: Iterable[_Numbered], begin: int, end: int) -> Iterator[Any]:
  """Yields the entries of blocks whose numbers are from begin to end."""
  for first, _, block in numbered:
    yield from blocks.unpack(block)[max(0, begin - first) : end - first]


class _FinishDoFn(transforms.JobDoFn):
  def process(
    self,
    element: None,
    plan: Plan,
    made: list[answer_shard.Made],
    unusable: list[Reject | LeftOut | Noted],
  ) -> None:
    with self._job.channel.reporting(_FINISHING):
      answers_summary.finish(self._job.config, plan.num_entries, made, unusable)
