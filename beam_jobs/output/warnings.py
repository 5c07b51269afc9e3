"""What makes the numbers of a data set look better, or worse, than they are."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from beam_jobs import config as config_lib
from beam_jobs import rules, sources
from beam_jobs.output import cut_clips, few_voices, twins
from beam_jobs.planning import plan as plan_lib
from beam_jobs.planning import voice_counts
from pages import words
from schemas import errors, rejects, splits, utterance
from schemas import medium as media
from tfrecords.finishing import durations, shard_result

# With fewer clips of a label a split says little of it.
_FEW_CLIPS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Content:
  """What is in the splits, as it was planned or as it was written.

  Attributes:
    label_counts: Clips by split and label, in the order of the plan's labels; copies do not count.
    shared: Speakers who are in train and in another split, the first of them at least.
    num_shared: How many they are.
    voices: By split, who speaks in it.
  """

  label_counts: Mapping[str, Sequence[int]]
  shared: Sequence[str]
  num_shared: int
  voices: Mapping[str, voice_counts.Voices]


def of(
  plan: plan_lib.Plan,
  results: Sequence[shard_result.ShardResult],
  config: config_lib.FeaturizeConfig,
) -> Iterator[str]:
  """Yields a sentence for everything that the user of a data set should know."""
  if config.audio is not None:
    lengths = durations.merged(result.durations for result in results)
    yield from cut_clips.warnings(lengths, config.audio)
  yield from twins.warnings(results, config)
  speakers = shard_result.speakers_by_split(results)
  voices = {split: voice_counts.Voices.of(names) for split, names in speakers.items() if names}
  train = speakers.pop(splits.TRAIN, set())
  shared = sorted(train.intersection(set().union(*speakers.values())))
  counts = {split: _clips_by_label(plan, results, config, split) for split in splits.SPLITS}
  content = _Content(label_counts=counts, shared=shared, num_shared=len(shared), voices=voices)
  yield from _sentences(plan, content, config)


def planned(plan: plan_lib.Plan, config: config_lib.FeaturizeConfig) -> Iterator[str]:
  """Yields what can be told of it before any audio is read."""
  content = _Content(
    label_counts=plan.label_counts,
    shared=plan.shared,
    num_shared=plan.num_shared,
    voices={split: found for split, found in plan.voices.items() if plan.num_records[split]},
  )
  yield from _sentences(plan, content, config)


def _sentences(
  plan: plan_lib.Plan, content: _Content, config: config_lib.FeaturizeConfig
) -> Iterator[str]:
  source = sources.SOURCES[config.source]
  yield from _shared_voices(content, medium=source.medium)
  yield from _unknown_voices(plan, content, medium=source.medium)
  if plan.mixed_groups:
    speaker = media.speaker(source.medium)
    stand = words.counted(len(plan.mixed_groups), speaker, 'stands', 'stand')
    yield (
      f'{stand} in more than one official split '
      f'({_some(plan.mixed_groups)}). Each went whole to test, else to validation, so results are '
      'not comparable with published ones.'
    )
  if plan.is_train_as_listed:
    yield (
      f'The test {media.voice(source.medium)}s that --split_by names are of the own validation or '
      'test list of the corpus: train is as it is without naming them, and the same for every such '
      'fold. speaker:official=false sets the lists aside.'
    )
  if alike := utterance.alike(plan.labels):
    yield alike
  if source.is_labelled:
    noun = media.example(source.medium)
    for split in splits.SPLITS:
      if any(plan.label_counts[split]) and not any(content.label_counts[split]):
        yield f'Every {noun} of the {split} split was rejected.'
        continue
      yield from _thin_split(plan.labels, content.label_counts[split], split, config, noun=noun)
    if source.medium != media.PICTURES and plan.speakers:
      yield from _few_voices(content, config)


def _thin_split(
  labels: Sequence[str],
  counts: Sequence[int],
  split: str,
  config: config_lib.FeaturizeConfig,
  *,
  noun: str,
) -> Iterator[str]:
  """Yields what a split lacks: all clips, those of a label, or enough of them."""
  if not any(counts):
    if _is_wanted(split, config):
      rule = config.split_by
      named = '' if rule.field == rules.CLIP else (
        f' Name what is to go there, with --split_by={rule.field}:{split}=NAME+NAME.'
      )  # fmt: skip
      yield (
        f'There is no {split} split: there are too few groups to give it one, or the lists of the '
        f'corpus leave nothing for it.{named}'
      )
    return
  numbered = list(zip(labels, counts, strict=True))
  lacking = [label for label, count in numbered if not count]
  if lacking:
    yield (
      f'The {split} split has no {noun} of {words.counted(len(lacking), "label")}: '
      f'{_some(lacking)}.'
    )
  few = [f'{label} ({count})' for label, count in numbered if 0 < count < _FEW_CLIPS]
  if few:
    yield (
      f'The {split} split has fewer than {_FEW_CLIPS} {noun}s of '
      f'{words.counted(len(few), "label")}: {_some(few)}.'
    )


def _is_wanted(split: str, config: config_lib.FeaturizeConfig) -> bool:
  """Whether a split is to have clips that a hash gives it."""
  shares = {splits.VALIDATION: config.fractions.validation, splits.TEST: config.fractions.test}
  return bool(shares.get(split, 1.0))


def _shared_voices(content: _Content, *, medium: str) -> Iterator[str]:
  if content.num_shared:
    are = words.counted(content.num_shared, media.speaker(medium), 'is', 'are')
    yield (
      f'{are} in train and in another split ({_some(content.shared, of=content.num_shared)}): the '
      f'accuracy is that on known {media.voice(medium)}s.'
    )


def _unknown_voices(plan: plan_lib.Plan, content: _Content, *, medium: str) -> Iterator[str]:
  num_filled = sum(map(any, content.label_counts.values()))
  if num_filled < 2 or sum(plan.num_speakers.values()) != plan.num_clips:
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


def _few_voices(content: _Content, config: config_lib.FeaturizeConfig) -> Iterator[str]:
  rule = config.split_by
  if rule.field == rules.SPEAKER:  # Else voices are in several splits, as is asked for.
    named = {splits.VALIDATION: rule.settings.validation, splits.TEST: rule.settings.test}
    yield from few_voices.warnings(content.voices, [split for split in named if named[split]])


def _clips_by_label(
  plan: plan_lib.Plan,
  results: Sequence[shard_result.ShardResult],
  config: config_lib.FeaturizeConfig,
  split: str,
) -> list[int]:
  """Returns the clips of each label that are written, without copies and repetitions."""
  infos = [result.info for result in results if result.info.split == split]
  records = [sum(info.label_counts[i] for info in infos) for i in range(len(plan.labels))]
  taken = plan.label_counts.get(split, [0] * len(records))
  copies = config.records_per_clip(split)
  return [min(number, count // copies) for number, count in zip(taken, records, strict=True)]


def _some(names: Sequence[str], *, of: int = 0) -> str:
  """Returns the first of the names, with dots if there are more: `of` in all."""
  return errors.some(names, rejects.MOST_NAMES, of=of)
