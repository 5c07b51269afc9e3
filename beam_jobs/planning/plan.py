"""From counts to a plan: the labels, what is taken, every group's split and every speaker's shard.

A Census is what the whole corpus is reduced to. It grows with speakers and their labels, and where
clips are selected one by one (limits, balance) by 8 bytes a clip.
"""

import array
import collections
import dataclasses
import functools
import math
from collections.abc import Collection, Mapping, Sequence

from beam_jobs import config as config_lib
from beam_jobs import rules, sources
from beam_jobs.planning import packing, selection, splitting, voice_counts
from pages import words
from schemas import errors, manifest, naming, rejects, splits
from schemas.utterance import Utterance

# What clips have in common: speaker, group, official split ('' for none), label.
CellKey = tuple[str, str, str, str]
ShardKey = tuple[str, int]

_SPEAKERS_IN_MEMORY = 4_096


@dataclasses.dataclass
class Census:
  """Counts over utterances; two of them add up.

  Attributes:
    clips: Number of clips by CellKey.
    hashes: selection.clip_hash of every clip by CellKey, where the configuration asks for them.
    field_names: Further fields that clips have, where the configuration names some.
    has_speakers: Whether it is known of any clip who speaks; where nobody knows, the source gives
      every clip its id for a speaker.
    sharing: Groups that have a clip of the same audio, by Utterance.same_as; where clips go for
      themselves, they go together without it.
  """

  clips: collections.Counter[CellKey] = dataclasses.field(default_factory=collections.Counter)
  hashes: dict[CellKey, array.array] = dataclasses.field(default_factory=dict)
  field_names: set[str] = dataclasses.field(default_factory=set)
  has_speakers: bool = False
  sharing: dict[str, set[str]] = dataclasses.field(default_factory=dict)

  def add(self, utterance: Utterance, config: config_lib.FeaturizeConfig) -> None:
    """Counts one utterance."""
    group = splitting.group_of(utterance, config.split_by, config.fractions, config.seed)
    key = utterance.speaker_id, group, utterance.split, utterance.label
    self.clips[key] += 1
    if config.fields.wanted:
      self.field_names.update(name for name, _ in utterance.fields)
    self.has_speakers = self.has_speakers or utterance.speaker_id != utterance.utterance_id
    if utterance.same_as and config.split_by.field != rules.CLIP:
      self.sharing.setdefault(utterance.same_as, set()).add(group)
    if config.selection.needs_hashes:
      place = selection.clip_hash(utterance.utterance_id, config.seed)
      self.hashes.setdefault(key, array.array('Q')).append(place)

  def merge(self, other: 'Census') -> None:
    """Adds the counts of another census."""
    self.clips.update(other.clips)
    self.field_names |= other.field_names
    self.has_speakers = self.has_speakers or other.has_speakers
    for first, groups in other.sharing.items():
      self.sharing.setdefault(first, set()).update(groups)
    for key, hashes in other.hashes.items():
      self.hashes.setdefault(key, array.array('Q')).extend(hashes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """Where every clip goes; the same for the same corpus and configuration.

  Every worker is given it: it holds numbers, and names only of labels and of what is special.

  Attributes:
    labels: All labels, sorted: a label's number is its place here.
    num_clips: Clips that are taken.
    num_records: By split, the records that they make: copies and repetitions count.
    label_counts: By split, the clips that are taken of each label, in the order of `labels`.
    num_speakers: By split, the speakers of whom clips are taken, noises among them.
    voices: The same without recordings of noise, which are counted beside them.
    speakers: By split, some of them, of manifest.named_speakers; empty where it is not known who
      speaks.
    num_shared: Speakers of whom clips are taken in train and in another split.
    shared: The first of them.
    ring_start: Where the ring of hashes begins, of splitting.ring_start.
    odd_groups: The split of the groups of which splitting.split_by_itself is not right.
    selections: By split, what is taken of it.
    places: By (split, speaker), the shards; none for speakers of whom nothing is taken.
    shards_by_split: Number of shards of every split that has clips.
    shards: (split, index) of every shard, the largest first, as far as that is known.
    is_train_as_listed: Whether naming test voices leaves train as the corpus's own lists have it.
    mixed_groups: Groups that the corpus itself lists in more than one split.
    left_out: Clips that are not taken, by reason.
  """

  labels: tuple[str, ...]
  num_clips: int
  num_records: Mapping[str, int]
  label_counts: Mapping[str, Sequence[int]]
  num_speakers: Mapping[str, int]
  voices: Mapping[str, voice_counts.Voices]
  speakers: Mapping[str, tuple[str, ...]]
  num_shared: int
  shared: tuple[str, ...]
  ring_start: float
  odd_groups: Mapping[str, str]
  selections: Mapping[str, selection.Selection]
  places: packing.Places
  shards_by_split: Mapping[str, int]
  shards: Sequence[ShardKey]
  is_train_as_listed: bool
  mixed_groups: tuple[str, ...]
  left_out: Mapping[str, int]

  def num_records_of(
    self, utterance: Utterance, split: str, config: config_lib.FeaturizeConfig
  ) -> int:
    """Returns how many records are made of an utterance of a split; 0 leaves it out."""
    # The hash is wanted where there are limits only; without, each place is as good.
    needed = config.selection.needs_hashes
    place = selection.clip_hash(utterance.utterance_id, config.seed) if needed else 0
    times = self.selections[split].times(utterance.speaker_id, utterance.label, place)
    return times * config.records_per_clip(split)

  def file_names(self, config: config_lib.FeaturizeConfig) -> list[str]:
    """Returns the names of all shards, in their order."""
    return [
      self.file_name(config, split, index)
      for split in splits.SPLITS
      for index in range(self.shards_by_split.get(split, 0))
    ]

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


class Assignment:
  """From an utterance to its shard: a plan at work, with a short memory for speakers."""

  def __init__(self, plan: Plan, config: config_lib.FeaturizeConfig) -> None:
    """Takes the plan and the configuration that it was made for."""
    self._plan = plan
    self._config = config
    # The clips of a speaker come together, more or less.
    self._placed = functools.lru_cache(_SPEAKERS_IN_MEMORY)(self._place)

  def shard_of(self, utterance: Utterance) -> ShardKey | None:
    """Returns (split, index) of the shard; None if the utterance is left out."""
    config = self._config
    group = splitting.group_of(utterance, config.split_by, config.fractions, config.seed)
    split, place = self._placed(utterance.speaker_id, group, utterance.split)
    if place is None:
      return None
    if config.selection.needs_hashes and not self._plan.num_records_of(utterance, split, config):
      return None
    return split, place.shard_of(utterance.utterance_id)

  def _place(self, speaker: str, group: str, official: str) -> tuple[str, packing.Place | None]:
    config = self._config
    split = self._plan.odd_groups.get(group) or splitting.split_by_itself(
      group,
      official,
      config.split_by,
      config.fractions,
      seed=config.seed,
      start=self._plan.ring_start,
    )
    return split, self._plan.places.get(split, speaker)


def make_plan(census: Census, config: config_lib.FeaturizeConfig) -> Plan:
  """Returns the plan for a corpus.

  Raises:
    SourceError: if there is no clip.
    ConfigError: if the split rule does not fit or leaves nothing to train on, or no clip has a
      field that is to be kept, or the metadata for TFDS are wanted and cannot hold a label.
  """
  if not census.clips:
    raise errors.SourceError(
      f'No usable clip was found in {config.input!r} by the source {config.source!r}: every entry '
      f'was rejected. See {naming.REJECTS} in {config.output!r}, and check --source and --input.'
    )
  config.fields.check(census.field_names)
  labels = tuple(sorted({label for _, _, _, label in census.clips}))
  if config.tfds_metadata:
    _check_labels(labels)
  official: dict[str, set[str]] = collections.defaultdict(set)
  for _, group, split, _ in census.clips:
    official[group].add(split)
  splitting.check_fractions(official, config.split_by, config.fractions)
  split_of_group = splitting.assign_splits(
    official, config.split_by, config.fractions, config.seed, sharing=census.sharing.values()
  )
  ring_start = splitting.ring_start(official, config.split_by, config.seed)
  cells = _cells_by_split(census, split_of_group)
  if not cells[splits.TRAIN] and sources.SOURCES[config.source].is_labelled:
    bound = {name for names in census.sharing.values() if len(names) > 1 for name in names}
    said = (
      f' --duplicates=group keeps together those that share audio, here {len(bound):,} of '
      f'{len(official):,}; --duplicates=drop does not.'
      if bound
      else ''
    )
    listed = (
      sorted(set().union(*official.values()) - {''})
      if splitting.follows_lists(config.split_by)
      else []
    )
    remedy = (
      f'The corpus itself says what is {" and ".join(listed)}: --split_by=speaker:official=false '
      'deals its voices out anew, --split_by=clip its clips.'
      if listed
      else 'Name fewer values, or make --test_fraction and --validation_fraction smaller.'
    )
    raise errors.ConfigError(
      f'--split_by={config.split_by} leaves no clip for the train split. {remedy}{said}'
    )
  if config.augmentations and not cells[splits.TRAIN]:
    raise errors.ConfigError(
      f'--augment={",".join(config.augmentations)} has no effect: it makes copies of train clips, '
      f'and --source={config.source} lists none. Leave it away.'
    )
  selections = {
    split: selection.select(found, config.selection, split=split, seed=config.seed)
    for split, found in cells.items()
  }
  records_by_split = {
    split: {
      speaker: count * config.records_per_clip(split)
      for speaker, count in chosen.num_records.items()
    }
    for split, chosen in selections.items()
  }
  places, shards_by_split = _pack_splits(records_by_split, config)
  left_out: collections.Counter[str] = collections.Counter()
  for chosen in selections.values():
    left_out.update(chosen.left_out)
  judged = set().union(
    *(records_by_split[split] for split in splits.SPLITS if split != splits.TRAIN)
  )
  shared = sorted(judged.intersection(records_by_split[splits.TRAIN]))
  return Plan(
    labels=labels,
    num_clips=sum(census.clips.values()) - sum(left_out.values()),
    num_records={split: sum(records.values()) for split, records in records_by_split.items()},
    label_counts={
      split: tuple(chosen.num_clips.get(label, 0) for label in labels)
      for split, chosen in selections.items()
    },
    num_speakers={split: len(records) for split, records in records_by_split.items()},
    voices={split: voice_counts.Voices.of(records) for split, records in records_by_split.items()},
    speakers={
      split: manifest.named_speakers(records)
      for split, records in records_by_split.items()
      if records and census.has_speakers
    },
    num_shared=len(shared),
    shared=tuple(shared[: rejects.MOST_NAMES]),
    ring_start=ring_start,
    odd_groups=_odd_groups(split_of_group, official, config, ring_start),
    # Who is not sampled has no place.
    selections={
      split: dataclasses.replace(chosen, speakers=None, num_records={}, num_clips={}, left_out={})
      for split, chosen in selections.items()
    },
    places=packing.Places(places),
    shards_by_split=shards_by_split,
    shards=_largest_first(places, records_by_split, shards_by_split),
    is_train_as_listed=splitting.tests_listed_voices_only(official, config.split_by),
    mixed_groups=tuple(sorted(name for name, found in official.items() if len(found - {''}) > 1))
    if config.split_by.field == rules.SPEAKER
    else (),
    left_out=dict(left_out),
  )


def _check_labels(labels: Sequence[str]) -> None:
  unfit = naming.unfit_for_tfds(labels)
  if unfit:
    shown = errors.some([*map(repr, unfit)], rejects.MOST_NAMES)
    raise errors.ConfigError(
      f'{len(unfit)} of '
      f'{words.counted(len(labels), "label")} cannot be kept in the metadata for TensorFlow '
      f'Datasets, where a label is one line: {shown}. '
      'Rename them, or do without these metadata with --notfds_metadata: the trainer does not '
      'need them.'
    )


def _odd_groups(
  split_of_group: Mapping[str, str],
  official: Mapping[str, Collection[str]],
  config: config_lib.FeaturizeConfig,
  start: float,
) -> dict[str, str]:
  """Returns the split of the groups that do not go where each of their clips by itself would."""

  def by_itself(group: str, listed: str) -> str:
    return splitting.split_by_itself(
      group, listed, config.split_by, config.fractions, seed=config.seed, start=start
    )

  return {
    group: split
    for group, split in split_of_group.items()
    if any(by_itself(group, listed) != split for listed in official[group])
  }


def _largest_first(
  places: Mapping[tuple[str, str], packing.Place],
  records_by_split: Mapping[str, Mapping[str, int]],
  shards_by_split: Mapping[str, int],
) -> tuple[ShardKey, ...]:
  """Returns all shards by their number of records.

  The clips of a speaker who is cut into several shards are taken to be spread evenly.
  """
  records = {
    (split, index): 0.0 for split, count in shards_by_split.items() for index in range(count)
  }
  for (split, speaker), place in places.items():
    share = records_by_split[split][speaker] / place.count
    for index in range(place.first, place.first + place.count):
      records[split, index] += share
  return tuple(sorted(records, key=lambda key: (-records[key], key)))


def _cells_by_split(
  census: Census, split_of_group: Mapping[str, str]
) -> dict[str, list[selection.Cell]]:
  """Returns the cells of every split, in an order that does not depend on that of the listing."""
  cells: dict[str, list[selection.Cell]] = {split: [] for split in splits.SPLITS}
  for key in sorted(census.clips):
    speaker, group, _, label = key
    cells[split_of_group[group]].append(
      selection.Cell(
        speaker=speaker, label=label, count=census.clips[key], hashes=census.hashes.get(key, ())
      )
    )
  return cells


def _pack_splits(
  records_by_split: Mapping[str, Mapping[str, int]], config: config_lib.FeaturizeConfig
) -> tuple[dict[tuple[str, str], packing.Place], dict[str, int]]:
  places: dict[tuple[str, str], packing.Place] = {}
  shards_by_split: dict[str, int] = {}
  most = max(1, config.shard_bytes // config.record_bytes)
  train = sum(records_by_split[splits.TRAIN].values())
  for split, records in records_by_split.items():
    total = sum(records.values())
    if not total:
      continue
    if split == splits.TRAIN or not train:
      wanted = packing.num_shards(total, max_clips=most, min_shards=config.min_train_shards)
    else:
      # As large as the train shards, so that a worker's turn takes as long for one as for another.
      wanted = max(1, math.ceil(total * shards_by_split[splits.TRAIN] / train))
    by_speaker, shards_by_split[split] = packing.pack(records, shards=wanted)
    places.update({(split, speaker): place for speaker, place in by_speaker.items()})
  return places, shards_by_split
