"""What makes the numbers of a data set look better, or worse, than they are."""

from collections.abc import Iterator, Sequence

from beam_jobs import config as config_lib
from beam_jobs import sources
from beam_jobs.output import cut_clips
from beam_jobs.planning import plan as plan_lib
from schemas import medium as media
from schemas import splits
from tfrecords.finishing import durations, shard_result


def of(
  plan: plan_lib.Plan,
  results: Sequence[shard_result.ShardResult],
  config: config_lib.FeaturizeConfig,
) -> Iterator[str]:
  """Yields a sentence for everything that the user of a data set should know."""
  if config.audio is not None:
    lengths = durations.merged(result.durations for result in results)
    yield from cut_clips.warnings(lengths, config.audio)
  yield from _shared_voices(results)
  yield from _unknown_voices(plan, results, medium=sources.SOURCES[config.source].medium)
  if plan.mixed_groups:
    yield (
      f'{len(plan.mixed_groups)} speakers stand in more than one official split '
      f'({_some(plan.mixed_groups)}). Each went whole to test, else to validation, so results are '
      'not comparable with published ones.'
    )
  for split in (splits.TRAIN, splits.TEST):
    lacking = _labels_without_clips(plan, results, split)
    if lacking:
      yield f'The {split} split has no clip of {len(lacking)} labels: {_some(lacking)}.'


def _shared_voices(results: Sequence[shard_result.ShardResult]) -> Iterator[str]:
  speakers = shard_result.speakers_by_split(results)
  train = speakers.pop(splits.TRAIN, set())
  shared = sorted(train.intersection(set().union(*speakers.values())))
  if shared:
    yield (
      f'{len(shared)} speakers are in train and in another split ({_some(shared)}): the accuracy '
      'is that on known voices.'
    )


def _unknown_voices(
  plan: plan_lib.Plan, results: Sequence[shard_result.ShardResult], *, medium: str
) -> Iterator[str]:
  filled = {result.info.split for result in results if result.info.num_records}
  if len(filled) < 2 or sum(plan.num_speakers.values()) != plan.num_clips:
    return
  if medium == media.PICTURES:
    yield (
      'Every picture stands for itself. If some belong together (one person, one recording, one '
      'film), train and test share them and the accuracy looks better than it is: tell the source '
      'which with speaker_level or speaker_pattern.'
    )
  else:
    yield (
      'Every clip has a speaker of its own. If a person speaks in several clips, train and test '
      'share voices and the accuracy looks better than it is: tell the source where the speaker is.'
    )


def _labels_without_clips(
  plan: plan_lib.Plan, results: Sequence[shard_result.ShardResult], split: str
) -> list[str]:
  infos = [result.info for result in results if result.info.split == split]
  if not infos:
    return []
  counts = [sum(info.label_counts[i] for info in infos) for i in range(len(plan.labels))]
  return [label for label, count in zip(plan.labels, counts, strict=True) if not count]


def _some(names: Sequence[str], most: int = 5) -> str:
  return ', '.join(names[:most]) + (', ...' if len(names) > most else '')
