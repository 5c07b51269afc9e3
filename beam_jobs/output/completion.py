"""From the results of all shards to a finished data set: what is refused, what is told."""

import collections
import contextlib
import importlib.metadata
import platform
from collections.abc import Sequence

from beam_jobs import config as config_lib
from beam_jobs.output import folder, reject_share, taken_over, warnings
from beam_jobs.planning import plan as plan_lib
from schemas import errors, naming, rejects, splits, version
from schemas.manifest import DatasetManifest, named_speakers
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
# FFmpeg, which only the extra `media` brings.
_MEDIA = 'av'


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
  left_out = collections.Counter(plan.left_out)
  for entry in unusable:
    if isinstance(entry, rejects.LeftOut):
      left_out[entry.reason] += entry.count
  too_many = reject_share.too_many(
    reasons,
    num_bad_entries=len(listing_rejects),
    num_listed=plan.num_clips + sum(left_out.values()) + len(listing_rejects),
    num_read=plan.num_clips,
    most=config.max_reject_fraction,
    unfinished='the data set is not finished',
    output=config.output,
  )
  if too_many:
    # That of an earlier run would call the data set finished.
    dataset.forget_manifest()
    raise errors.DatasetError(too_many)
  noted = [*config.noted, *(entry for entry in unusable if isinstance(entry, rejects.Noted))]
  speakers = shard_result.speakers_by_split(ordered)
  manifest = DatasetManifest(
    name=config.name,
    audio=config.audio,
    features=config.features,
    labels=plan.labels,
    shards=tuple(result.info for result in ordered),
    statistics=shard_result.statistics(ordered, config.features),
    num_speakers={split: len(names) for split, names in speakers.items()},
    speakers={
      split: named_speakers(names) for split, names in speakers.items() if names and plan.speakers
    },
    rejects=reasons,
    left_out=dict(sorted(left_out.items())),
    noted=rejects.merged([*noted, *(note for result in ordered for note in result.noted)]),
    config=config.to_json(),
    versions=_versions(),
    warnings=tuple(warnings.of(plan, ordered, config)),
  )
  if splits.TRAIN in plan.shards_by_split and not manifest.num_records(splits.TRAIN):
    dataset.forget_manifest()
    raise errors.DatasetError(
      f'Every clip of the train split was rejected. See {naming.REJECTS} in {config.output!r}.'
    )
  dataset.notes.write(taken_over.FILE, taken_over.to_json(ordered))
  dataset.finish(manifest)


def _versions() -> dict[str, str]:
  versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
  with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    versions[_MEDIA] = importlib.metadata.version(_MEDIA)
  return {'voxshard': version.VERSION, 'python': platform.python_version(), **versions}
