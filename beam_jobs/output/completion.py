"""From the results of all shards to a finished data set: what is refused, what is told."""

import collections
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence

from beam_jobs import config as config_lib
from beam_jobs.output import folder, warnings
from beam_jobs.planning import plan as plan_lib
from schemas import errors, naming, rejects, splits, version
from schemas.manifest import DatasetManifest
from tfrecords.finishing import shard_result

# Libraries whose version can change a bit of a shard.
_LIBRARIES = (
  'numpy',
  'scipy',
  'soundfile',
  'soxr',
  'pillow',
  'matplotlib',
  'protobuf',
  'apache-beam',
)


def write_manifest(
  config: config_lib.FeaturizeConfig,
  plan: plan_lib.Plan,
  results: Sequence[shard_result.ShardResult],
  unusable: Sequence[rejects.Reject | rejects.LeftOut | rejects.Noted],
) -> None:
  """Writes rejects.jsonl and then, unless too much was rejected, manifest.json.

  Raises:
    DatasetError: if more than config.max_reject_fraction of the clips were rejected, or every one
      of the train split; the text holds the table of reasons.
  """
  dataset = folder.unfinished(config)
  listing_rejects = [entry for entry in unusable if isinstance(entry, rejects.Reject)]
  by_name = {result.info.file_name: result for result in results}
  ordered = [by_name[name] for name in plan.file_names(config)]
  rejected = sorted(
    [*listing_rejects, *(reject for result in ordered for reject in result.rejects)],
    key=lambda reject: (reject.utterance_id, reject.reason),
  )
  dataset.write_rejects(rejected)
  reasons = dict(sorted(collections.Counter(item.reason for item in rejected).items()))
  _refuse_too_many(config, reasons, plan.num_clips + len(listing_rejects))
  left_out = collections.Counter(plan.left_out)
  for entry in unusable:
    if isinstance(entry, rejects.LeftOut):
      left_out[entry.reason] += entry.count
  noted = [entry for entry in unusable if isinstance(entry, rejects.Noted)]
  speakers = shard_result.speakers_by_split(ordered)
  manifest = DatasetManifest(
    name=config.name,
    audio=config.audio,
    features=config.features,
    labels=plan.labels,
    shards=tuple(result.info for result in ordered),
    statistics=shard_result.statistics(ordered, config.features),
    num_speakers={split: len(names) for split, names in speakers.items()},
    rejects=reasons,
    left_out=dict(sorted(left_out.items())),
    noted=rejects.merged([*noted, *(note for result in ordered for note in result.noted)]),
    config=config.to_json(),
    versions=_versions(),
    warnings=tuple(warnings.of(plan, ordered, config)),
  )
  if splits.TRAIN in plan.shards_by_split and not manifest.num_records(splits.TRAIN):
    raise errors.DatasetError(
      f'Every clip of the train split was rejected. See {naming.REJECTS} in {config.output!r}.'
    )
  dataset.finish(manifest)


def _refuse_too_many(
  config: config_lib.FeaturizeConfig, reasons: Mapping[str, int], num_entries: int
) -> None:
  num_rejects = sum(reasons.values())
  if num_rejects <= config.max_reject_fraction * num_entries:
    return
  table = '\n'.join(
    f'  {count:>8}  {reason:<14} {rejects.ADVICE[reason]}' for reason, count in reasons.items()
  )
  raise errors.DatasetError(
    f'{num_rejects} of {num_entries} clips were rejected, more than '
    f'--max_reject_fraction={config.max_reject_fraction} allows, so the data set is not '
    f'finished:\n{table}\nEvery file is listed in {naming.REJECTS} in {config.output!r}. Repair '
    'them or raise --max_reject_fraction, and run the same command again: whole shards are kept.'
  )


def _versions() -> dict[str, str]:
  versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
  return {'voxshard': version.VERSION, 'python': platform.python_version(), **versions}
