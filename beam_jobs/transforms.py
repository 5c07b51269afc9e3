"""The steps of the data job as Beam transforms: each a thin coat over a function of its own."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import config as config_lib
from beam_jobs import sources
from beam_jobs.launching import progress
from beam_jobs.output import finish, notes
from beam_jobs.planning import plan as plan_lib
from beam_jobs.shards import blocks, reference, shard
from beam_jobs.sources import corpus
from beam_jobs.sources import source as source_lib
from schemas.rejects import LeftOut, Reject
from schemas.utterance import Utterance

UTTERANCES = 'utterances'
REJECTS = 'rejects'

ShardKey = tuple[str, int]
_Keyed = tuple[ShardKey, blocks.Block]


class ListUtterances(beam.PTransform):
  """The corpus -> its utterances in blocks, and what cannot be used or was not asked for.

  Opens no audio.
  """

  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    super().__init__()
    self._config = config

  def expand(self, root: beam.Pipeline) -> Any:
    return (
      root
      | 'Corpus' >> beam.Create([None])
      | 'List' >> beam.ParDo(_ListDoFn(self._config)).with_outputs(REJECTS, main=UTTERANCES)
    )


class _ListDoFn(beam.DoFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._work = notes.WorkFolder(config.output, config.progress_dir)

  # Any: Beam would take the tagged rejects for a part of the main output's type.
  def process(self, element: None) -> Iterator[Any]:
    with self._work.reporting_failure():
      source = sources.SOURCES[self._config.source]
      listed = source.list_utterances(
        corpus.Corpus(self._config.input), self._config.source_settings
      )
      unusable: list[Reject | LeftOut] = []
      for block in blocks.packed(_usable(listed, unusable)):
        yield block
        yield from _tagged(unusable)
      yield from _tagged(unusable)


def _usable(
  entries: Iterable[source_lib.Entry], unusable: list[Reject | LeftOut]
) -> Iterator[Utterance]:
  """Yields the utterances and puts what is between them aside."""
  for entry in entries:
    if isinstance(entry, Utterance):
      yield entry
    else:
      unusable.append(entry)


def _tagged(unusable: list[Reject | LeftOut]) -> Iterator[pvalue.TaggedOutput]:
  """Yields what was put aside, and forgets it."""
  for entry in unusable:
    yield pvalue.TaggedOutput(REJECTS, entry)
  unusable.clear()


class MakePlan(beam.PTransform):
  """Blocks of utterances -> the one Plan of labels, splits and shards."""

  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    super().__init__()
    self._config = config

  def expand(self, utterances: Any) -> Any:
    return (
      utterances
      | 'Count' >> beam.CombineGlobally(_CensusFn(self._config))
      | 'Plan' >> beam.ParDo(_PlanDoFn(self._config))
    )


class _CensusFn(beam.CombineFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._work = notes.WorkFolder(config.output, config.progress_dir)

  def create_accumulator(self) -> plan_lib.Census:
    return plan_lib.Census()

  def add_input(self, census: plan_lib.Census, block: blocks.Block) -> plan_lib.Census:
    with self._work.reporting_failure():
      for utterance in blocks.unpack(block):
        census.add(utterance, self._config)
    return census

  def merge_accumulators(self, accumulators: Iterable[plan_lib.Census]) -> plan_lib.Census:
    total = plan_lib.Census()
    for census in accumulators:
      total.merge(census)
    return total

  def extract_output(self, census: plan_lib.Census) -> plan_lib.Census:
    return census


class _PlanDoFn(beam.DoFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._work = notes.WorkFolder(config.output, config.progress_dir)

  def process(self, census: plan_lib.Census) -> Iterator[plan_lib.Plan]:
    with self._work.reporting_failure():
      plan = plan_lib.make_plan(census, self._config)
      finish.check_room(self._config, plan)
    if self._config.progress_dir:
      progress.set_total(self._config.progress_dir, plan.num_records)
    yield plan


class AssignShards(beam.PTransform):
  """Blocks of utterances -> ((split, shard), block of references) of those that are taken.

  Every shard also has an empty block, and it comes first: so a shard that no clip is hashed to is
  written like any other, and Beam's local runner, which deals shards to its workers in the order
  in which it hears of them, deals the largest first and gives all about the same.
  """

  def __init__(self, config: config_lib.FeaturizeConfig, plan: pvalue.AsSingleton) -> None:
    super().__init__()
    self._config = config
    self._plan = plan

  def expand(self, utterances: Any) -> Any:
    shards = self._plan.pvalue | 'Shards' >> beam.FlatMap(
      _empty_blocks, self._config
    ).with_output_types(_Keyed)
    assigned = utterances | 'Assign' >> beam.ParDo(
      _AssignDoFn(self._config), self._plan
    ).with_output_types(_Keyed)
    return (shards, assigned) | 'All' >> beam.Flatten()


def _empty_blocks(
  plan: plan_lib.Plan, config: config_lib.FeaturizeConfig
) -> Iterator[tuple[ShardKey, blocks.Block]]:
  nothing = blocks.pack([])
  for key in plan.shards_largest_first(config):
    yield key, nothing


class _AssignDoFn(beam.DoFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._numbers: dict[str, int] = {}

  def process(
    self, block: blocks.Block, plan: plan_lib.Plan
  ) -> Iterator[tuple[ShardKey, blocks.Block]]:
    if not self._numbers:
      self._numbers = {label: number for number, label in enumerate(plan.labels)}
    by_shard: dict[ShardKey, list[reference.Reference]] = {}
    for utterance in blocks.unpack(block):
      split, num_records = plan.num_records_of(utterance, self._config)
      if num_records:
        ref = reference.of(utterance, self._numbers[utterance.label], num_records=num_records)
        by_shard.setdefault((split, plan.shard_of(utterance, split)), []).append(ref)
    for key, references in by_shard.items():
      yield key, blocks.pack(references)


class WriteShards(beam.PTransform):
  """((split, shard), blocks of references) -> the shard's file, and its ShardResult."""

  def __init__(self, config: config_lib.FeaturizeConfig, plan: pvalue.AsSingleton) -> None:
    super().__init__()
    self._config = config
    self._plan = plan

  def expand(self, groups: Any) -> Any:
    return groups | 'Write' >> beam.ParDo(_WriteDoFn(self._config), self._plan)


class _WriteDoFn(beam.DoFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._work = notes.WorkFolder(config.output, config.progress_dir)
    self._meter: progress.Meter | None = None

  def setup(self) -> None:
    if self._config.progress_dir:
      self._meter = progress.Meter(self._config.progress_dir)

  def teardown(self) -> None:
    if self._meter:
      self._meter.close()

  def process(
    self, group: tuple[ShardKey, Iterable[blocks.Block]], plan: plan_lib.Plan
  ) -> Iterator[shard.ShardResult]:
    (split, index), packed = group
    references = [ref for block in packed for ref in blocks.unpack(block)]
    with self._work.reporting_failure():
      yield finish.write_or_take_over(
        references,
        self._config,
        plan,
        split=split,
        index=index,
        advance=self._meter.advance if self._meter else None,
      )


class WriteManifest(beam.PTransform):
  """Everything that the shards and the listing said -> rejects.jsonl and, last, manifest.json."""

  def __init__(self, config: config_lib.FeaturizeConfig, plan: pvalue.AsSingleton) -> None:
    super().__init__()
    self._config = config
    self._plan = plan

  def expand(self, inputs: Any) -> Any:
    results, unusable = inputs
    return (
      results.pipeline
      | 'End' >> beam.Create([None])
      | 'Manifest'
      >> beam.ParDo(
        _ManifestDoFn(self._config),
        self._plan,
        pvalue.AsList(results),
        pvalue.AsList(unusable),
      )
    )


class _ManifestDoFn(beam.DoFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._work = notes.WorkFolder(config.output, config.progress_dir)

  def process(
    self,
    element: None,
    plan: plan_lib.Plan,
    results: list[shard.ShardResult],
    unusable: list[Reject | LeftOut],
  ) -> None:
    with self._work.reporting_failure():
      finish.write_manifest(self._config, plan, results, unusable)
