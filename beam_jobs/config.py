"""The data job's configuration: read from flags once, then only ever passed on."""

import dataclasses
import hashlib
import json
from typing import Any

import features
from beam_jobs import splitting
from schemas import audio, errors, naming, options, record, splits


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeaturizeConfig:
  """One run of the data job; picklable, since every worker gets a copy.

  Attributes:
    source: Name of the source, a key of beam_jobs.sources.SOURCES.
    source_settings: The source's settings.
    input: Folder of the corpus, local or gs://, s3://.
    output: Folder of the data set.
    name: The data set's name, first part of every shard's file name.
    features: The arrays of every record.
    audio: Rate and length that every clip is brought to.
    min_clip_s: Shorter clips are rejected.
    split_by: What keeps clips together in a split.
    fractions: Shares of the splits where nothing else decides.
    seed: Another seed gives other splits and another order of records, nothing else.
    shard_bytes: A shard is about this large at most.
    min_train_shards: As many train shards where there are clips enough.
    max_reject_fraction: More rejects than this share of all clips fail the job.
    overwrite: Throw away what another configuration left in `output`.
    progress_dir: Local folder where workers count their clips for the launcher; '' where workers
      and launcher share no disk.
  """

  source: str
  source_settings: Any
  input: str
  output: str
  name: str
  features: tuple[record.FeatureSpec, ...]
  audio: audio.AudioSpec
  min_clip_s: float = 0.0
  split_by: splitting.SplitRule = splitting.SplitRule()
  fractions: splits.SplitFractions = splits.SplitFractions()
  seed: int = 0
  shard_bytes: int = 128 << 20
  min_train_shards: int = 16
  max_reject_fraction: float = 0.05
  overwrite: bool = False
  progress_dir: str = ''

  def __post_init__(self) -> None:
    naming.check_dataset_name(self.name)
    names = [spec.name for spec in self.features]
    if not names or len(set(names)) != len(names):
      raise errors.ConfigError(
        f'--feature must be given at least once, each kind once, got {", ".join(names) or "none"}.'
      )
    if not 0 <= self.max_reject_fraction <= 1:
      raise errors.ConfigError(
        f'--max_reject_fraction must be in [0, 1], got {self.max_reject_fraction}.'
      )
    if self.min_clip_s > self.audio.clip_s:
      raise errors.ConfigError(
        f'--min_clip_seconds ({self.min_clip_s}) must not be larger than --clip_seconds '
        f'({self.audio.clip_s}).'
      )

  @property
  def record_bytes(self) -> int:
    """Bytes of one record, about: the arrays, and some 120 for the other fields and framing."""
    return sum(spec.num_bytes for spec in self.features) + 120

  def to_json(self) -> dict[str, Any]:
    """Returns what decides the bytes of the data set, for the manifest and for comparing runs.

    Neither the runner, nor the number of workers, nor where the data set lies is in it.
    """
    return {
      'source': options.format_option(self.source, self.source_settings),
      'input': self.input,
      'name': self.name,
      'features': [
        options.format_option(spec.name, features.settings_of(spec)) for spec in self.features
      ],
      'audio': dataclasses.asdict(self.audio),
      'min_clip_s': self.min_clip_s,
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
    text = json.dumps([self.to_json(), specs], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
