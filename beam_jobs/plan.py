"""From counts to a plan: the labels, every group's split and every speaker's shard.

A Census is what the whole corpus is reduced to; it grows with speakers, not with clips.
"""

import collections
import dataclasses
import math
from collections.abc import Mapping

from beam_jobs import config as config_lib
from beam_jobs import packing, splitting
from schemas import errors, naming, splits
from schemas.utterance import Utterance


@dataclasses.dataclass
class Census:
  """Counts over utterances; two of them add up.

  Attributes:
    clips: Number of clips by (speaker, group, official split).
    labels: Number of clips by label.
  """

  clips: collections.Counter[tuple[str, str, str]] = dataclasses.field(
    default_factory=collections.Counter
  )
  labels: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

  def add(self, utterance: Utterance, config: config_lib.FeaturizeConfig) -> None:
    """Counts one utterance."""
    group = splitting.group_of(utterance, config.split_by, config.fractions, config.seed)
    self.clips[utterance.speaker_id, group, utterance.split] += 1
    self.labels[utterance.label] += 1

  def merge(self, other: 'Census') -> None:
    """Adds the counts of another census."""
    self.clips.update(other.clips)
    self.labels.update(other.labels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """Where every clip goes; the same for the same corpus and configuration.

  Attributes:
    labels: All labels, sorted: a label's number is its place here.
    num_clips: Clips in the whole corpus.
    split_of_group: The split of every group.
    places: By (split, speaker), the shards.
    shards_by_split: Number of shards of every split that has clips.
    mixed_groups: Groups that the corpus itself lists in more than one split.
  """

  labels: tuple[str, ...]
  num_clips: int
  split_of_group: Mapping[str, str]
  places: Mapping[tuple[str, str], packing.Place]
  shards_by_split: Mapping[str, int]
  mixed_groups: tuple[str, ...]

  def shard_of(self, utterance: Utterance, config: config_lib.FeaturizeConfig) -> tuple[str, int]:
    """Returns the (split, shard index) of an utterance."""
    group = splitting.group_of(utterance, config.split_by, config.fractions, config.seed)
    split = self.split_of_group[group]
    return split, self.places[split, utterance.speaker_id].shard_of(utterance.utterance_id)

  def file_name(self, config: config_lib.FeaturizeConfig, split: str, index: int) -> str:
    """Returns a shard's file name."""
    return str(
      naming.ShardName(
        dataset_name=config.name,
        split=split,
        index=index,
        num_shards=self.shards_by_split[split],
      )
    )


def make_plan(census: Census, config: config_lib.FeaturizeConfig) -> Plan:
  """Returns the plan for a corpus.

  Raises:
    SourceError: if there is no clip.
    ConfigError: if the split rule does not fit, or leaves nothing to train on.
  """
  if not census.clips:
    raise errors.SourceError(
      f'No usable clip was found in {config.input!r} by the source {config.source!r}: every entry '
      f'was rejected. See {naming.REJECTS} in {config.output!r}, and check --source and --input.'
    )
  official = collections.defaultdict(set)
  for _, group, split in census.clips:
    official[group].add(split)
  split_of_group = splitting.assign_splits(official, config.split_by, config.fractions, config.seed)
  clips_by_split: dict[str, collections.Counter[str]] = {
    split: collections.Counter() for split in splits.SPLITS
  }
  for (speaker, group, _), count in census.clips.items():
    clips_by_split[split_of_group[group]][speaker] += count
  if not clips_by_split[splits.TRAIN]:
    raise errors.ConfigError(
      f'--split_by={config.split_by} leaves no clip for the train split. '
      'Name fewer values, or make --test_fraction and --validation_fraction smaller.'
    )
  places, shards_by_split = _pack_splits(clips_by_split, config)
  return Plan(
    labels=tuple(sorted(census.labels)),
    num_clips=sum(census.clips.values()),
    split_of_group=split_of_group,
    places=places,
    shards_by_split=shards_by_split,
    mixed_groups=tuple(sorted(name for name, found in official.items() if len(found - {''}) > 1))
    if config.split_by.field == splitting.SPEAKER
    else (),
  )


def _pack_splits(
  clips_by_split: Mapping[str, Mapping[str, int]], config: config_lib.FeaturizeConfig
) -> tuple[dict[tuple[str, str], packing.Place], dict[str, int]]:
  places: dict[tuple[str, str], packing.Place] = {}
  shards_by_split: dict[str, int] = {}
  max_clips = max(1, config.shard_bytes // config.record_bytes)
  for split, clips in clips_by_split.items():
    total = sum(clips.values())
    if not total:
      continue
    if split == splits.TRAIN:
      wanted = packing.num_shards(total, max_clips=max_clips, min_shards=config.min_train_shards)
    else:
      # As large as the train shards, so that a worker's turn takes as long for one as for another.
      train_clips = sum(clips_by_split[splits.TRAIN].values())
      wanted = max(1, math.ceil(total * shards_by_split[splits.TRAIN] / train_clips))
    by_speaker, shards_by_split[split] = packing.pack(clips, shards=wanted)
    places.update({(split, speaker): place for speaker, place in by_speaker.items()})
  return places, shards_by_split
