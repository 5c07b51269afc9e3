"""What turns written shards into a finished data set."""

import collections
import contextlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence

from beam_jobs import config as config_lib
from beam_jobs.output import notes, warnings
from beam_jobs.planning import plan as plan_lib
from beam_jobs.shards import moments, reference, shard
from schemas import errors, naming, rejects, splits, version
from schemas.manifest import DatasetManifest
from tfrecords import manifest_file, storage
from tfrecords.storage import buckets

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


def write_or_take_over(
  references: Sequence[reference.Reference],
  config: config_lib.FeaturizeConfig,
  plan: plan_lib.Plan,
  *,
  split: str,
  index: int,
  advance: shard.Advance | None = None,
) -> shard.ShardResult:
  """Returns the result of a shard: of an earlier run if it is whole, else written now."""
  advance = advance or (lambda num_clips, audio_s: None)
  work = notes.WorkFolder(config.output, config.progress_dir)
  references = sorted(references, key=lambda ref: ref.utterance_id)
  file_name = plan.file_name(config, split, index)
  key = notes.shard_key(config, plan.labels, references)
  finished = work.finished_shard(file_name, key)
  if finished is not None:
    advance(sum(ref.num_records for ref in references), finished.info.audio_s)
    return finished
  files = buckets.storage_of(config.output)
  forget_manifest(config, files)
  result = shard.write_shard(
    files.join(config.output, file_name),
    references,
    config,
    split=split,
    num_labels=len(plan.labels),
    files=files,
    advance=advance,
  )
  work.note_shard(key, result)
  return result


def forget_manifest(config: config_lib.FeaturizeConfig, files: storage.Storage) -> None:
  """Removes the manifest: it must not speak for shards that are about to change."""
  path = files.join(config.output, naming.MANIFEST)
  if files.exists(path):
    # Another worker may be quicker.
    with contextlib.suppress(FileNotFoundError):
      files.remove(path)


def write_manifest(
  config: config_lib.FeaturizeConfig,
  plan: plan_lib.Plan,
  results: Sequence[shard.ShardResult],
  unusable: Sequence[rejects.Reject | rejects.LeftOut],
) -> None:
  """Writes rejects.jsonl and then, unless too much was rejected, manifest.json.

  Raises:
    DatasetError: if more than config.max_reject_fraction of the clips were rejected, or every one
      of the train split; the text holds the table of reasons.
  """
  files = buckets.storage_of(config.output)
  listing_rejects = [entry for entry in unusable if isinstance(entry, rejects.Reject)]
  by_name = {result.info.file_name: result for result in results}
  ordered = [by_name[name] for name in _file_names(config, plan)]
  rejected = sorted(
    [*listing_rejects, *(reject for result in ordered for reject in result.rejects)],
    key=lambda reject: (reject.utterance_id, reject.reason),
  )
  lines = [json.dumps(item.to_json(), sort_keys=True, ensure_ascii=False) for item in rejected]
  _write_rejects(config, ''.join(line + '\n' for line in lines), files)
  reasons = dict(sorted(collections.Counter(item.reason for item in rejected).items()))
  _refuse_too_many(config, reasons, plan.num_clips + len(listing_rejects))
  manifest = DatasetManifest(
    name=config.name,
    audio=config.audio,
    features=config.features,
    labels=plan.labels,
    shards=tuple(result.info for result in ordered),
    statistics={
      spec.name: moments.merge_all(
        (result.moments[spec.name] for result in ordered if result.info.split == splits.TRAIN),
        spec.num_bins,
      ).to_statistics()
      for spec in config.features
      if splits.TRAIN in plan.shards_by_split
    },
    num_speakers=_num_speakers(ordered),
    rejects=reasons,
    left_out=_left_out(plan, unusable),
    config=config.to_json(),
    versions=_versions(),
    warnings=tuple(warnings.of(plan, ordered, config)),
  )
  if splits.TRAIN in plan.shards_by_split and not manifest.num_records(splits.TRAIN):
    raise errors.DatasetError(
      f'Every clip of the train split was rejected. See {naming.REJECTS} in {config.output!r}.'
    )
  _remove_stale(config, set(by_name), files)
  manifest_file.save(manifest, config.output, files)


def _write_rejects(config: config_lib.FeaturizeConfig, text: str, files: storage.Storage) -> None:
  path = files.join(config.output, naming.REJECTS)
  content = text.encode('utf-8', 'surrogateescape')
  try:
    storage.write_atomically(path, content, files)
  except OSError as error:
    raise errors.DatasetError(
      storage.why_not_written(repr(path), error, path=path, need=f'it needs {len(content):,} bytes')
    ) from error


def check_room(config: config_lib.FeaturizeConfig, plan: plan_lib.Plan) -> None:
  """Refuses a job for which the disk has no room, before hours are spent on it.

  Only where records are of one size and the output is a local disk: elsewhere nobody can tell.

  Raises:
    DatasetError: with what is needed and what is free.
  """
  free_bytes = storage.free_bytes(os.path.join(config.output, naming.MANIFEST))
  if free_bytes is None or any(spec.num_bytes is None for spec in config.features):
    return
  present_bytes = 0
  for name in _file_names(config, plan):
    with contextlib.suppress(OSError):
      present_bytes += os.path.getsize(os.path.join(config.output, name))
  needed_bytes = plan.num_records * config.record_bytes - present_bytes
  # A tenth less: the size is known only about, and clips may be rejected.
  if needed_bytes * 0.9 > free_bytes:
    raise errors.DatasetError(
      f'The data set needs about {needed_bytes:,} bytes more, {free_bytes:,} bytes are free at '
      f'{config.output!r}. Make room or choose another --output; no audio was read yet.'
    )


def _left_out(
  plan: plan_lib.Plan, unusable: Sequence[rejects.Reject | rejects.LeftOut]
) -> dict[str, int]:
  """Returns how many good clips were not asked for, by reason: by the source, and by the plan."""
  counts = collections.Counter(plan.left_out)
  for entry in unusable:
    if isinstance(entry, rejects.LeftOut):
      counts[entry.reason] += entry.count
  return dict(sorted(counts.items()))


def _remove_stale(
  config: config_lib.FeaturizeConfig, current: set[str], files: storage.Storage
) -> None:
  """Removes shards of an earlier state of the corpus, and what killed writers left behind."""
  for name in files.list_dir(config.output):
    if naming.is_shard_name(name.partition('.tmp-')[0]) and name not in current:
      files.remove(files.join(config.output, name))


def _num_speakers(results: Sequence[shard.ShardResult]) -> dict[str, int]:
  speakers: dict[str, set[str]] = {}
  for result in results:
    speakers.setdefault(result.info.split, set()).update(result.speakers)
  return {split: len(names) for split, names in speakers.items()}


def _file_names(config: config_lib.FeaturizeConfig, plan: plan_lib.Plan) -> list[str]:
  return [
    plan.file_name(config, split, index)
    for split in splits.SPLITS
    for index in range(plan.shards_by_split.get(split, 0))
  ]


def _refuse_too_many(
  config: config_lib.FeaturizeConfig, reasons: dict[str, int], num_entries: int
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
