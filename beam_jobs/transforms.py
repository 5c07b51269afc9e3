"""The steps of the data job as Beam transforms: each a thin coat over a function of its own."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import config as config_lib
from beam_jobs import sources
from beam_jobs.output import completion, folder, taking_over
from beam_jobs.planning import plan as plan_lib
from beam_jobs.processes import side_channel
from beam_jobs.shards import blocks
from beam_jobs.sources import corpus, undecoded
from beam_jobs.sources import source as source_lib
from schemas.rejects import LeftOut, Noted, Reject
from schemas.utterance import Utterance
from tfrecords.finishing import shard_result

UTTERANCES = 'utterances'
REJECTS = 'rejects'

# What a job is asked to do: of featurizing, or of asking a model.
_Config = TypeVar('_Config')
_Keyed = tuple[plan_lib.ShardKey, blocks.Block]
# What the side channel calls the steps; a shard goes by its file's name.
_LISTING, _PLANNING, _FINISHING = 'listing', 'planning', 'finishing'


# Beam writes the text of every transform's arguments into the pipeline: thousands of noise files.
@dataclasses.dataclass(frozen=True, repr=False)
class Job(Generic[_Config]):
  """What every step is given.

  Attributes:
    config: The job's configuration.
    channel: How workers speak to the launcher; by default nobody listens.
  """

  config: _Config
  channel: side_channel.SideChannel = dataclasses.field(default_factory=side_channel.SideChannel)


FeaturizeJob = Job[config_lib.FeaturizeConfig]


class JobDoFn(beam.DoFn):
  """A step that knows its job."""

  def __init__(self, job: Job[Any]) -> None:
    self._job = job


class PageDoFn(JobDoFn):
  """A step that decodes: with a page on which its process says how far it is."""

  def setup(self) -> None:
    self._page = self._job.channel.worker_page()

  def teardown(self) -> None:
    self._page.close()


@beam.ptransform_fn
def list_utterances(root: beam.Pipeline, job: FeaturizeJob) -> Any:
  """The corpus -> its utterances in blocks, and what cannot be used or was not asked for.

  Opens no audio.
  """
  return (
    root
    | 'Corpus' >> beam.Create([None])
    | 'List' >> beam.ParDo(_ListDoFn(job)).with_outputs(REJECTS, main=UTTERANCES)
  )


class _ListDoFn(JobDoFn):
  # Any: Beam would take the tagged rejects for a part of the main output's type.
  def process(self, element: None) -> Iterator[Any]:
    for found in listed(self._job.config, self._job.channel):
      yield blocks.pack(found) if isinstance(found, list) else found


def listed(
  config: config_lib.Listed,
  channel: side_channel.SideChannel,
  most_clips: int = blocks.BLOCK_CLIPS,
) -> Iterator[Any]:
  """Yields lists of the utterances of a corpus, and tagged as REJECTS what else is listed.

  Args:
    config: The job's, which names the corpus.
    channel: Is told what is to be announced.
    most_clips: Of a list.
  """
  with channel.reporting(_LISTING):
    source = sources.SOURCES[config.source]
    found = corpus.Corpus(config.input, all_files=config.all_files)
    entries = source.entries(found, config.source_settings, config.corrected)
    unusable: list[Reject | LeftOut | Noted] = []
    for some in blocks.lists(_usable(entries, unusable), most_clips):
      yield some
      # It comes last of all that is listed, and thus at once.
      channel.announce(undecoded.sentence(unusable))
      yield from _tagged(unusable)
    channel.announce(undecoded.sentence(unusable))
    yield from _tagged(unusable)


def _usable(
  entries: Iterable[source_lib.Entry], unusable: list[Reject | LeftOut | Noted]
) -> Iterator[Utterance]:
  """Yields the utterances and puts what is between them aside."""
  for entry in entries:
    if isinstance(entry, Utterance):
      yield entry
    else:
      unusable.append(entry)


def _tagged(unusable: list[Reject | LeftOut | Noted]) -> Iterator[pvalue.TaggedOutput]:
  """Yields what was put aside, and forgets it."""
  for entry in unusable:
    yield pvalue.TaggedOutput(REJECTS, entry)
  unusable.clear()


@beam.ptransform_fn
def make_plan(utterances: Any, job: FeaturizeJob) -> Any:
  """Blocks of utterances -> the one Plan of labels, splits and shards."""
  return (
    utterances
    | 'Count' >> beam.CombineGlobally(_CensusFn(job))
    | 'Plan' >> beam.ParDo(_PlanDoFn(job))
  )


class _CensusFn(beam.CombineFn):
  def __init__(self, job: FeaturizeJob) -> None:
    self._job = job

  def create_accumulator(self) -> plan_lib.Census:
    return plan_lib.Census()

  def add_input(self, census: plan_lib.Census, block: blocks.Block) -> plan_lib.Census:
    with self._job.channel.reporting(_PLANNING, in_part=True):
      for utterance in blocks.unpack(block):
        census.add(utterance, self._job.config)
    return census

  def merge_accumulators(self, accumulators: Iterable[plan_lib.Census]) -> plan_lib.Census:
    total = plan_lib.Census()
    for census in accumulators:
      total.merge(census)
    return total

  def extract_output(self, census: plan_lib.Census) -> plan_lib.Census:
    return census


class _PlanDoFn(JobDoFn):
  def process(self, census: plan_lib.Census) -> Iterator[plan_lib.Plan]:
    config, channel = self._job.config, self._job.channel
    with channel.reporting(_PLANNING):
      plan = plan_lib.make_plan(census, config)
      folder.check_room(config, plan)
    channel.set_total(sum(plan.num_records.values()))
    yield plan


@beam.ptransform_fn
def assign_shards(utterances: Any, job: FeaturizeJob, plan: pvalue.AsSingleton) -> Any:
  """Blocks of utterances -> ((split, shard), block of utterances) of those that are taken.

  Every shard also has an empty block, and it comes first: so a shard that no clip is hashed to is
  written like any other, and Beam's local runner, which deals shards to its workers in the order
  in which it hears of them, deals the largest first and gives all about the same.
  """
  shards = plan.pvalue | 'Shards' >> beam.FlatMap(_empty_blocks).with_output_types(_Keyed)
  assign = beam.ParDo(_AssignDoFn(job), plan).with_output_types(_Keyed)
  return (shards, utterances | 'Assign' >> assign) | 'All' >> beam.Flatten()


def _empty_blocks(plan: plan_lib.Plan) -> Iterator[_Keyed]:
  nothing = blocks.pack([])
  for key in plan.shards:
    yield key, nothing


class _AssignDoFn(JobDoFn):
  _assignment: plan_lib.Assignment | None = None

  def process(self, block: blocks.Block, plan: plan_lib.Plan) -> Iterator[_Keyed]:
    if self._assignment is None:
      self._assignment = plan_lib.Assignment(plan, self._job.config)
    by_shard: dict[plan_lib.ShardKey, list[Utterance]] = {}
    wanted = self._job.config.fields.wanted
    for utterance in blocks.unpack(block):
      if key := self._assignment.shard_of(utterance):
        by_shard.setdefault(key, []).append(utterance.with_kept_fields(wanted))
    for key, utterances in by_shard.items():
      yield key, blocks.pack(utterances)


@beam.ptransform_fn
def write_shards(groups: Any, job: FeaturizeJob, plan: pvalue.AsSingleton) -> Any:
  """((split, shard), blocks of utterances) -> the shard's file, and its ShardResult."""
  return groups | 'Write' >> beam.ParDo(_WriteDoFn(job), plan)


class _WriteDoFn(PageDoFn):
  def process(
    self, group: tuple[plan_lib.ShardKey, Iterable[blocks.Block]], plan: plan_lib.Plan
  ) -> Iterator[shard_result.ShardResult]:
    (split, index), packed = group
    utterances = [utterance for block in packed for utterance in blocks.unpack(block)]
    with self._job.channel.reporting(plan.file_name(self._job.config, split, index)):
      result = taking_over.write_or_take_over(
        utterances, self._job.config, plan, split=split, index=index, page=self._page
      )
    yield result


@beam.ptransform_fn
def write_manifest(inputs: Any, job: FeaturizeJob, plan: pvalue.AsSingleton) -> Any:
  """Everything that the shards and the listing said -> rejects.jsonl and, last, manifest.json."""
  results, unusable = inputs
  return (
    results.pipeline
    | 'End' >> beam.Create([None])
    | 'Manifest'
    >> beam.ParDo(_ManifestDoFn(job), plan, pvalue.AsList(results), pvalue.AsList(unusable))
  )


class _ManifestDoFn(JobDoFn):
  def process(
    self,
    element: None,
    plan: plan_lib.Plan,
    results: list[shard_result.ShardResult],
    unusable: list[Reject | LeftOut | Noted],
  ) -> None:
    with self._job.channel.reporting(_FINISHING):
      completion.write_manifest(self._job.config, plan, results, unusable)
