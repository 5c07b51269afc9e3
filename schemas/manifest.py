"""The manifest: the only thing that the data job and the trainer share."""

import dataclasses
import hashlib
import heapq
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from schemas import audio, errors, json_form, naming, record, splits, utterance
from schemas import medium as media
from schemas import rejects as rejects_lib

# The file's own digest, taken with zeros in its place: so it finds every changed bit of the file.
_NO_DIGEST = '0' * 64
# So many voices of a split are named, and recordings of noise beside them.
MOST_SPEAKERS = 20
MOST_NOISES = 100
_DIGEST = re.compile(r'^  "digest": "([0-9a-f]{64})",$', re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardInfo(json_form.Fields):
  """One shard file.

  Attributes:
    file_name: Such as `speech-train.tfrecord-00003-of-00016`.
    num_records: Examples in it.
    num_bytes: Size of the file.
    sha256: Hexadecimal digest of the file.
    num_speakers: Speakers in it. A speaker larger than a shard counts in each of its shards.
    label_counts: Examples per label, in the order of the manifest's labels.
    audio_s: Seconds of audio in it, copies too: of what is stored, without padding.
    source_s: Seconds of the recordings, or parts of recordings, that its clips were made of: before
      they were trimmed and cut, each once.
    shortest_samples: Samples of real audio in its shortest clip; 0 without clips.
    longest_samples: The same of its longest.
  """

  file_name: str
  num_records: int
  num_bytes: int
  sha256: str
  num_speakers: int
  label_counts: tuple[int, ...]
  audio_s: float
  source_s: float = 0.0
  shortest_samples: int = 0
  longest_samples: int = 0

  def __post_init__(self) -> None:
    naming.ShardName.parse(self.file_name)
    if sum(self.label_counts) != self.num_records:
      raise errors.SchemaError(
        f'Shard {self.file_name!r}: label_counts add up to {sum(self.label_counts)}, '
        f'but num_records is {self.num_records}.'
      )

  @property
  def name(self) -> naming.ShardName:
    """The parts of the file name."""
    return naming.ShardName.parse(self.file_name)

  @property
  def split(self) -> str:
    """The split that the shard belongs to."""
    return self.name.split


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureStatistics(json_form.Fields):
  """Mean and variance per bin of one feature over the train split, padding included.

  Attributes:
    count: Values per bin that went into them.
    mean: One per bin (FeatureSpec.num_bins).
    variance: Population variance, one per bin.
  """

  count: int
  mean: tuple[float, ...]
  variance: tuple[float, ...]

  def __post_init__(self) -> None:
    if len(self.mean) != len(self.variance) or any(value < 0 for value in self.variance):
      raise errors.SchemaError(
        f'Statistics need a variance from 0 on for every mean, got {len(self.mean)} means and the '
        f'variances {list(self.variance)}.'
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetManifest(json_form.Fields):
  """Everything about a finished data set; written last, so that its presence means `finished`.

  Attributes:
    name: The data set's name, first part of every shard's file name.
    audio: The form that every clip was brought to; None for pictures.
    features: The arrays of every record.
    labels: Label texts; a record's label is an index into them.
    shards: Every shard file, by split (train, validation, test) and index.
    statistics: By feature name.
    num_speakers: Number of speakers by split, each counted once however many shards it has; where
      nobody knows who speaks, every clip has one of its own. Recordings of noise count too; what
      people read is num_voices.
    speakers: Some of them by split, of named_speakers; empty where nobody knows who speaks.
    rejects: Number of rejected clips by reason.
    left_out: Number of good clips that were not asked for, by reason.
    noted: What is to be said of clips that are in it, and of what the listing passed by.
    config: The data job's whole configuration, as plain JSON.
    versions: Versions of this project and of the libraries that touch the bytes.
    warnings: What a user of the data set should know, a sentence each.
    record_version: The record schema that the shards were written with.
  """

  name: str
  audio: audio.AudioSpec | None
  features: tuple[record.FeatureSpec, ...]
  labels: tuple[str, ...]
  shards: tuple[ShardInfo, ...]
  statistics: Mapping[str, FeatureStatistics]
  num_speakers: Mapping[str, int]
  rejects: Mapping[str, int]
  config: Mapping[str, Any]
  versions: Mapping[str, str]
  speakers: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
  left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)
  noted: tuple[rejects_lib.Noted, ...] = ()
  warnings: tuple[str, ...] = ()
  record_version: int = record.RECORD_VERSION

  def __post_init__(self) -> None:
    naming.check_dataset_name(self.name)
    if not self.labels or len(set(self.labels)) != len(self.labels):
      raise errors.SchemaError(f'Labels must be there and differ, got {list(self.labels)}.')
    for shard in self.shards:
      if len(shard.label_counts) != len(self.labels):
        raise errors.SchemaError(
          f'Shard {shard.file_name!r} counts {len(shard.label_counts)} labels, '
          f'the manifest has {len(self.labels)}.'
        )
    for spec in self.features:
      bins = self.statistics[spec.name].mean if spec.name in self.statistics else None
      if bins is not None and len(bins) != spec.num_bins:
        raise errors.SchemaError(
          f'Statistics of {spec.name!r} have {len(bins)} bins, the feature has {spec.num_bins}.'
        )

  @property
  def medium(self) -> str:
    """What was featurized: one of medium.MEDIA."""
    return media.AUDIO if self.audio else media.PICTURES

  @property
  def num_labels(self) -> int:
    """How many labels there are."""
    return len(self.labels)

  def split_names(self) -> tuple[str, ...]:
    """The splits that have records, in the order train, validation, test."""
    return tuple(split for split in splits.SPLITS if self.num_records(split))

  def shards_of(self, split: str) -> tuple[ShardInfo, ...]:
    """The shards of a split, by index."""
    return tuple(shard for shard in self.shards if shard.split == split)

  def num_records(self, split: str) -> int:
    """Examples in a split."""
    return sum(shard.num_records for shard in self.shards_of(split))

  def label_counts(self, split: str) -> tuple[int, ...]:
    """Examples per label in a split."""
    shards = self.shards_of(split)
    return tuple(sum(shard.label_counts[i] for shard in shards) for i in range(self.num_labels))

  def num_voices(self, split: str) -> int | None:
    """Speakers of a split without its recordings of noise; None where it names too few to tell."""
    names, count = self.speakers.get(split, ()), self.num_speakers.get(split, 0)
    noises = sum(map(utterance.is_noise, names))
    voices = len(names) - noises
    if len(names) > MOST_SPEAKERS and voices < MOST_SPEAKERS:
      return voices  # All are named, whatever there is of noises.
    # Earlier the first were named, in order: whether a noise comes behind them cannot be told.
    is_told = (
      len(names) == count
      or (len(names) > MOST_SPEAKERS and noises < MOST_NOISES)
      or names[-1:] > (f'{utterance.NOISE_FOLDER}0',)
    )
    return count - noises if is_told else None

  def voices_and_noises(self, split: str) -> tuple[int, int]:
    """How many voices a split has, and recordings of noise; 0 of these where nobody can tell."""
    count, voices = self.num_speakers.get(split, 0), self.num_voices(split)
    return (count, 0) if voices is None else (voices, count - voices)

  def some_voices(self, split: str) -> str:
    """Returns the names of voices of a split, with dots where there are more."""
    names = [name for name in self.speakers.get(split, ()) if not utterance.is_noise(name)]
    return errors.some(names, MOST_SPEAKERS, of=self.voices_and_noises(split)[0])

  @property
  def is_labelled(self) -> bool:
    """Whether clips have labels: not those of a corpus for prediction."""
    return self.labels != (utterance.UNLABELLED,)

  def length_samples(self, split: str) -> tuple[int, int]:
    """Samples of the shortest and the longest clip of a split; zeros without clips."""
    shards = [shard for shard in self.shards_of(split) if shard.num_records]
    return (
      min((shard.shortest_samples for shard in shards), default=0),
      max((shard.longest_samples for shard in shards), default=0),
    )

  def seconds(self, split: str = '') -> tuple[float, float]:
    """Seconds of audio that are stored, and of the recordings they are of; of all splits or one."""
    shards = self.shards_of(split) if split else self.shards
    return sum(shard.audio_s for shard in shards), sum(shard.source_s for shard in shards)

  def feature(self, name: str = '') -> record.FeatureSpec:
    """Returns a feature by name; without a name the only one.

    Raises:
      DatasetError: if there is none of this name, or several and no name.
    """
    known = ', '.join(spec.name for spec in self.features)
    if not name and len(self.features) == 1:
      return self.features[0]
    if not name:
      raise errors.DatasetError(
        f'The data set holds several features: {known}. Pick one with --feature=NAME.'
      )
    for spec in self.features:
      if spec.name == name:
        return spec
    raise errors.DatasetError(
      f'The data set holds no feature {name!r}. It holds: {known}. '
      'Pick one of these, or run the data job again with the feature.'
    )

  def to_text(self) -> str:
    """Returns the content of manifest.json: the same text for the same manifest."""
    text = json_form.dumps({'digest': _NO_DIGEST, **self.to_json()})
    return _with_digest(text, _digest(text))

  @staticmethod
  def check_digest(text: str, *, where: str = naming.MANIFEST) -> None:
    """Raises SchemaError, naming `where`, if `text` is not to the last bit what to_text wrote."""
    match = _DIGEST.search(text)
    if not match or _digest(_with_digest(text, _NO_DIGEST)) != match[1]:
      raise errors.SchemaError(
        f'{where} is not as the data job wrote it: its own digest does not fit. It is damaged or '
        'was edited: copy it again, or run the data job again with the same flags (whole shards '
        'are kept).'
      )

  @classmethod
  def from_text(cls, text: str, *, where: str = naming.MANIFEST) -> 'DatasetManifest':
    """Reads what to_text wrote. Whether the digest fits is check_digest's.

    Raises:
      SchemaError: if the text is no JSON, of another record version, or lacks a field; the text
        names `where` and the field.
    """
    try:
      parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
      raise errors.SchemaError(
        f'{where} is not JSON ({error}). It is damaged: run the data job again.'
      ) from error
    obj = json_form.Reader(parsed, where)
    version = obj.integer('record_version')
    if version not in record.READABLE_VERSIONS:
      known = ' and '.join(map(str, record.READABLE_VERSIONS))
      raise errors.SchemaError(
        f'{where}: record_version is {version}, this version of the programs reads '
        f'{known}. Run the data job again, or use the version that wrote it.'
      )
    obj.text('digest')
    try:
      return cls.from_json(parsed, where=where, is_older=version < record.RECORD_VERSION)
    except errors.SchemaError as error:
      # A class that refuses its fields does not know which file they stand in.
      if where in str(error):
        raise
      raise errors.SchemaError(f'{where}: {error}') from error


def named_speakers(speakers: Collection[str]) -> tuple[str, ...]:
  """Returns those that a manifest names, by code point: MOST_SPEAKERS voices, and the noises.

  By these it can be told how many voices there are, up to MOST_NOISES of them.
  """
  voices = (name for name in speakers if not utterance.is_noise(name))
  noises = filter(utterance.is_noise, speakers)
  named = [*heapq.nsmallest(MOST_SPEAKERS, voices), *heapq.nsmallest(MOST_NOISES, noises)]
  return tuple(sorted(named))


def _digest(text: str) -> str:
  """Returns the SHA-256 of a text, which may hold bytes that are no UTF-8."""
  return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()


def _with_digest(text: str, digest: str) -> str:
  """Returns a manifest's text with another digest in the place of its own."""
  return _DIGEST.sub(f'  "digest": "{digest}",', text, count=1)
