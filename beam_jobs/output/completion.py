"""From the results of all shards to a finished data set: what is refused, what is told."""

import collections
import contextlib
import fractions
import heapq
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence

from beam_jobs import config as config_lib
from beam_jobs.output import folder, taken_over, warnings
from beam_jobs.planning import plan as plan_lib
from pages import words
from schemas import errors, naming, rejects, splits, version
from schemas.manifest import MOST_SPEAKERS, DatasetManifest
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
  _refuse_too_many(
    config,
    reasons,
    num_bad_entries=len(listing_rejects),
    num_listed=plan.num_clips + sum(left_out.values()) + len(listing_rejects),
    num_read=plan.num_clips,
  )
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
      split: tuple(heapq.nsmallest(MOST_SPEAKERS, names))
      for split, names in speakers.items()
      if names and plan.speakers
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
  dataset.notes.write(folder.TAKEN_OVER, taken_over.to_json(ordered))
  dataset.finish(manifest)


def _refuse_too_many(
  config: config_lib.FeaturizeConfig,
  reasons: Mapping[str, int],
  *,
  num_bad_entries: int,
  num_listed: int,
  num_read: int,
) -> None:
  """Refuses a corpus of which too much is bad, whatever share of it is taken.

  What the listing rejects is a share of all that it lists, what turns out to be bad when it is
  opened a share of what is opened. Where all is taken, they add up to the rejects among all.

  Args:
    config: Says how much is too much.
    reasons: Rejects by reason.
    num_bad_entries: Those of the listing.
    num_listed: All entries of the listing.
    num_read: Clips that are taken, and so were opened.
  """
  num_rejects = sum(reasons.values())
  num_opened_bad = num_rejects - num_bad_entries
  # As fractions: 5 of 100 are not more than 0.05.
  listing_share = fractions.Fraction(num_bad_entries, max(1, num_listed))
  opened_share = fractions.Fraction(num_opened_bad, max(1, num_read))
  share = listing_share + (1 - listing_share) * opened_share
  if share <= fractions.Fraction(str(config.max_reject_fraction)):
    return
  if num_listed == num_read + num_bad_entries:
    said = f'{num_rejects:,} of {words.counted(num_listed, "clip", "was", "were")} rejected'
  else:
    said = (
      f'{num_bad_entries:,} of {num_listed:,} entries of the corpus and {num_opened_bad:,} of '
      f'{words.counted(num_read, "clip")} that were taken of it were rejected'
    )
  # That of an earlier run would call the data set finished.
  folder.unfinished(config).forget_manifest()
  table = '\n'.join(
    f'  {count:>8}  {reason:<14} {rejects.ADVICE[reason]}' for reason, count in reasons.items()
  )
  raise errors.DatasetError(
    f'{said}, more than '
    f'--max_reject_fraction={config.max_reject_fraction} allows, so the data set is not '
    f'finished:\n{table}\nEvery file is listed in {naming.REJECTS} in {config.output!r}. Repair '
    'them or raise --max_reject_fraction, and run the same command again: whole shards are kept.'
  )


def _versions() -> dict[str, str]:
  versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
  with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    versions[_MEDIA] = importlib.metadata.version(_MEDIA)
  return {'voxshard': version.VERSION, 'python': platform.python_version(), **versions}
