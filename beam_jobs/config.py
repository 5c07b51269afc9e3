"""The data job's configuration: read from flags once, then only ever passed on."""

import dataclasses
import hashlib
import json
from typing import Any, Protocol

import features
from beam_jobs import rules, sources
from beam_jobs.sources import corrections as corrections_lib
from features import augmentations, effects
from features.decoding import deadline
from schemas import audio, errors, naming, options, record, rejects, splits
from tfrecords import storage

# Where clips have lengths of their own, shards are sized as if they had this one: nobody knows
# before they are decoded.
TYPICAL_CLIP_S = 4.0


class Listed(Protocol):
  """What a job says of the corpus that it lists; see FeaturizeConfig."""

  @property
  def source(self) -> str:
    """Name of the source."""

  @property
  def source_settings(self) -> Any:
    """Its settings."""

  @property
  def input(self) -> str:
    """Folder of the corpus, or its table."""

  @property
  def all_files(self) -> bool:
    """Whether files of any ending are taken."""

  @property
  def corrected(self) -> corrections_lib.Corrections:
    """What is wrong in it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeaturizeConfig:
  """One run of the data job; picklable, since every worker gets a copy.

  Attributes:
    source: Name of the source, a key of beam_jobs.sources.SOURCES.
    source_settings: The source's settings.
    input: Folder of the corpus, or its table; local or gs://, s3://.
    output: Folder of the data set.
    name: The data set's name, first part of every shard's file name.
    features: The arrays of every record.
    audio: The form that every clip is brought to; None for pictures.
    min_clip_s: Shorter clips are rejected.
    max_decode_s: Processor time that decoding a clip may take; one that takes longer is rejected.
    all_files: Take files of any ending for audio.
    corrections: The file that says which labels are wrong; the launcher reads it; '' for none.
    corrected: What it says: which clips get another label, and which are left out.
    selection: Which clips are taken.
    augmentations: What is done to the copies of train clips, in this order, each as
      `name:key=value,...` of the table features.augmentations.AUGMENTATIONS.
    augment_copies: Copies of each train clip, beside the clip itself.
    noise: Recordings of noise for the augmentation, found by the launcher.
    noted: What the launcher has to say of other recordings of noise; decides no byte.
    fields: What records keep of the further fields of the source.
    duplicates: What becomes of clips whose samples or pixels are the same, one of
      rules.DUPLICATES; unless they are kept, all audio is read before the job is planned.
    split_by: What keeps clips together in a split.
    fractions: Shares of the splits where nothing else decides.
    seed: Another seed gives other splits and another order of records, nothing else.
    shard_bytes: A shard is about this large at most.
    min_train_shards: As many train shards where there are clips enough.
    max_reject_fraction: More rejects than this share of all clips fail the job.
    tfds_metadata: Whether labels must be such that the launcher can write the metadata for TFDS.
    overwrite: Throw away what is in `output`, of this or another configuration, and begin anew.
  """

  source: str
  source_settings: Any
  input: str
  output: str
  name: str
  features: tuple[record.FeatureSpec, ...]
  audio: audio.AudioSpec | None
  min_clip_s: float = 0.0
  max_decode_s: float = deadline.DEFAULT_S
  all_files: bool = False
  corrections: str = ''
  corrected: corrections_lib.Corrections = corrections_lib.Corrections()
  selection: rules.SelectionRule = rules.SelectionRule()
  augmentations: tuple[str, ...] = ()
  augment_copies: int = 0
  noise: tuple[str, ...] = ()
  noted: tuple[rejects.Noted, ...] = ()
  fields: rules.FieldRule = rules.FieldRule()
  duplicates: str = rules.KEEP
  split_by: rules.SplitRule = rules.SplitRule()
  fractions: splits.SplitFractions = splits.SplitFractions()
  seed: int = 0
  shard_bytes: int = 128 << 20
  min_train_shards: int = 16
  max_reject_fraction: float = 0.05
  tfds_metadata: bool = False
  overwrite: bool = False

  def __post_init__(self) -> None:
    naming.check_dataset_name(self.name)
    storage.check_output(self.output)
    names = [spec.name for spec in self.features]
    if not names or len(set(names)) != len(names):
      raise errors.ConfigError(
        f'--feature must be given at least once, each kind once, got {", ".join(names) or "none"}.'
      )
    if not 0 <= self.max_reject_fraction <= 1:
      raise errors.ConfigError(
        f'--max_reject_fraction must be in [0, 1], got {self.max_reject_fraction}.'
      )
    for split in (splits.VALIDATION, splits.TEST):
      share, named = (getattr(of, split) for of in (self.fractions, self.split_by.settings))
      if named and share != getattr(splits.SplitFractions, split):
        raise errors.ConfigError(
          f'--{split}_fraction={share:g} has no effect with --split_by={self.split_by}, which '
          f'names what is in the {split} split. Leave one of them away.'
        )
    if bool(self.augmentations) != bool(self.augment_copies):
      raise errors.ConfigError(
        '--augment says what is done to copies of the train clips, --augment_copies how many '
        f'there are. Give both or neither, got {", ".join(self.augmentations) or "no --augment"} '
        f'and --augment_copies={self.augment_copies}.'
      )
    if self.audio is None:
      if self.all_files:
        raise errors.ConfigError('--all_files takes any file for audio; the source is of pictures.')
      if self.augmentations:
        raise errors.ConfigError('--augment is for audio; pictures are augmented by the trainer.')
    else:
      self._check_audio(self.audio)

  def _check_audio(self, spec: audio.AudioSpec) -> None:
    longest_s = spec.max_clip_s if spec.is_variable else spec.clip_s
    if not self.min_clip_s <= longest_s:  # Nor NaN, which no clip is shorter than.
      raise errors.ConfigError(
        f'--min_clip_seconds ({self.min_clip_s}) must not be larger than '
        f'{"--max_clip_seconds" if spec.is_variable else "--clip_seconds"} ({longest_s}).'
      )
    effects.check(spec.effects, spec.sample_rate_hz)
    for text in self.augmentations:
      augmentations.parse(text)

  def records_per_clip(self, split: str) -> int:
    """Returns how many records a clip of a split makes: in train, its copies too."""
    return 1 + self.augment_copies if split == splits.TRAIN else 1

  @property
  def record_bytes(self) -> int:
    """Bytes of one record, about: the arrays, and some 250 for the other fields and framing."""
    return sum(self.array_bytes(spec) for spec in self.features) + 250

  def array_bytes(self, spec: record.FeatureSpec) -> int:
    """Returns the bytes of a feature's array, of a typical clip where clips differ in length."""
    if spec.num_bytes is not None:
      return spec.num_bytes
    typical = dataclasses.replace(self.audio, clip_s=TYPICAL_CLIP_S)
    return features.spec(spec.name, features.settings_of(spec), typical).num_bytes or 0

  def to_json(self) -> dict[str, Any]:
    """Returns what decides the bytes of the data set, for the manifest and for comparing runs.

    Neither the runner, nor the number of workers, nor where the data set lies is in it.
    """
    return {
      'source': sources.shown(self.source, self.source_settings),
      'input': errors.shown(self.input),
      'name': self.name,
      'features': [
        options.format_option(spec.name, features.settings_of(spec)) for spec in self.features
      ],
      'audio': self.audio.to_json() if self.audio else None,
      'min_clip_s': self.min_clip_s,
      # So that data sets made without it are still taken over.
      **({'all_files': True} if self.all_files else {}),
      **({'corrections': corrected} if (corrected := self.corrected.to_json()) else {}),
      'selection': dataclasses.asdict(self.selection),
      'augmentations': [errors.without_secrets(text) for text in self.augmentations],
      'augment_copies': self.augment_copies,
      'noise': _digest(self.noise),
      'fields': str(self.fields),
      'duplicates': self.duplicates,
      'split_by': str(self.split_by),
      'fractions': dataclasses.asdict(self.fractions),
      'seed': self.seed,
      'shard_bytes': self.shard_bytes,
      'min_train_shards': self.min_train_shards,
      'record_version': record.RECORD_VERSION,
    }

  def fingerprint(self) -> str:
    """Returns a digest of to_json: equal for runs that may finish one another's work.

    The features go in with every setting, since a default may change between versions.
    """
    specs = [spec.to_json() for spec in self.features]
    return _digest([self.to_json(), specs])


def _digest(value: Any) -> str:
  """Returns a digest of plain values; '' of none."""
  text = json.dumps(value, sort_keys=True)
  return hashlib.blake2b(text.encode(), digest_size=16).hexdigest() if value else ''
