"""The steps of the data job as Beam transforms: each a thin coat over a function of its own."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam import pvalue

from beam_jobs import config as config_lib
from beam_jobs import corpus, finish, progress, reference, shard, sources, work_folder
from beam_jobs import plan as plan_lib
from schemas.rejects import LeftOut, Reject
from schemas.utterance import Utterance

UTTERANCES = 'utterances'
REJECTS = 'rejects'

ShardKey = tuple[str, int]


class ListUtterances(beam.PTransform):
  """The corpus -> its utterances, and what cannot be used or was not asked for. Opens no audio."""

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
    self._work = work_folder.WorkFolder(config.output, config.progress_dir)

  # Any: Beam would take the tagged rejects for a part of the main output's type.
  def process(self, element: None) -> Iterator[Any]:
    with self._work.reporting_failure():
      source = sources.SOURCES[self._config.source]
      folder = corpus.Corpus(self._config.input)
      for item in source.list_utterances(folder, self._config.source_settings):
        yield item if isinstance(item, Utterance) else pvalue.TaggedOutput(REJECTS, item)


class MakePlan(beam.PTransform):
  """Utterances -> the one Plan of labels, splits and shards."""

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
    self._work = work_folder.WorkFolder(config.output, config.progress_dir)

  def create_accumulator(self) -> plan_lib.Census:
    return plan_lib.Census()

  def add_input(self, census: plan_lib.Census, utterance: Utterance) -> plan_lib.Census:
    with self._work.reporting_failure():
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
    self._work = work_folder.WorkFolder(config.output, config.progress_dir)

  def process(self, census: plan_lib.Census) -> Iterator[plan_lib.Plan]:
    with self._work.reporting_failure():
      plan = plan_lib.make_plan(census, self._config)
      finish.check_room(self._config, plan)
    if self._config.progress_dir:
      progress.set_total(self._config.progress_dir, plan.num_records)
    yield plan


class AssignShards(beam.PTransform):
  """Utterances -> ((split, shard), reference) of those that are taken.

  From here on a clip is a few plain values.
  """

  def __init__(self, config: config_lib.FeaturizeConfig, plan: pvalue.AsSingleton) -> None:
    super().__init__()
    self._config = config
    self._plan = plan

  def expand(self, utterances: Any) -> Any:
    return utterances | 'Assign' >> beam.ParDo(
      _AssignDoFn(self._config), self._plan
    ).with_output_types(tuple[ShardKey, reference.PlainReference])


class _AssignDoFn(beam.DoFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._numbers: dict[str, int] = {}

  def process(
    self, utterance: Utterance, plan: plan_lib.Plan
  ) -> Iterator[tuple[ShardKey, reference.PlainReference]]:
    if not self._numbers:
      self._numbers = {label: number for number, label in enumerate(plan.labels)}
    split, num_records = plan.num_records_of(utterance, self._config)
    if num_records:
      ref = reference.of(utterance, self._numbers[utterance.label], num_records=num_records)
      yield (split, plan.shard_of(utterance, split)), ref.to_tuple()


class WriteShards(beam.PTransform):
  """((split, shard), references) -> the shard's file, and its ShardResult."""

  def __init__(self, config: config_lib.FeaturizeConfig, plan: pvalue.AsSingleton) -> None:
    super().__init__()
    self._config = config
    self._plan = plan

  def expand(self, groups: Any) -> Any:
    return groups | 'Write' >> beam.ParDo(_WriteDoFn(self._config), self._plan)


class _WriteDoFn(beam.DoFn):
  def __init__(self, config: config_lib.FeaturizeConfig) -> None:
    self._config = config
    self._work = work_folder.WorkFolder(config.output, config.progress_dir)
    self._meter: progress.Meter | None = None

  def setup(self) -> None:
    if self._config.progress_dir:
      self._meter = progress.Meter(self._config.progress_dir)

  def teardown(self) -> None:
    if self._meter:
      self._meter.close()

  def process(
    self, group: tuple[ShardKey, Iterable[reference.PlainReference]], plan: plan_lib.Plan
  ) -> Iterator[shard.ShardResult]:
    (split, index), plain = group
    references = [reference.Reference(*values) for values in plain]
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
    self._work = work_folder.WorkFolder(config.output, config.progress_dir)

  def process(
    self,
    element: None,
    plan: plan_lib.Plan,
    results: list[shard.ShardResult],
    unusable: list[Reject | LeftOut],
  ) -> None:
    with self._work.reporting_failure():
      finish.write_manifest(self._config, plan, results, unusable)
