"""The configuration of a job that asks a model: read from flags once, then only ever passed on."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from beam_jobs import sources
from beam_jobs.asking import model_place
from beam_jobs.sources import corrections
from exports import answer_rows, export_file, submissions
from exports import windows as windows_lib
from features.decoding import deadline
from schemas import audio as audio_schema
from schemas import errors

PARQUET = 'parquet'
# The endings of shards by format.
FORMATS = {
  PARQUET: 'parquet',
  answer_rows.CSV: 'csv',
  answer_rows.JSONL: 'jsonl',
  submissions.KAGGLE: 'csv',
}
# Bump with every change of a name or a meaning in a shard, or in the summary.
ANSWERS_VERSION = 1

BATCH_CLIPS = 64
SHARD_CLIPS = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskConfig:
  """One run of the job; picklable, since every worker gets a copy.

  Attributes:
    source: Name of the source, a key of beam_jobs.sources.SOURCES.
    source_settings: The source's settings.
    input: Folder of the corpus, or its table; local or gs://, s3://.
    output: Folder for the answers.
    export: What the model takes and gives.
    model: Where workers find it.
    all_files: Take files of any ending for audio.
    format: How answers are written, a key of FORMATS.
    top: How many labels are said of each clip.
    probabilities: Whether those of `top` labels or of all are said: one of
      answer_rows.PROBABILITIES.
    windows: How recordings are cut; None: of each one clip.
    batch_clips: Clips of which the model is asked at a time.
    shard_clips: Entries of the corpus in a shard, at most.
    max_decode_s: Processor time that decoding a clip may take; one that takes longer is rejected.
    max_reject_fraction: More rejects than this share of all clips fail the job.
    settings: What decides the bytes of the answers, but for the model and the audio: plain values.
  """

  source: str
  source_settings: Any
  input: str
  output: str
  export: export_file.Export
  model: model_place.ModelPlace
  all_files: bool = False
  format: str = PARQUET
  top: int = 3
  probabilities: str = answer_rows.TOP
  windows: windows_lib.Windows | None = None
  batch_clips: int = BATCH_CLIPS
  shard_clips: int = SHARD_CLIPS
  max_decode_s: float = deadline.DEFAULT_S
  max_reject_fraction: float = 0.05
  settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self) -> None:
    medium = sources.SOURCES[self.source].medium
    if medium != self.export.medium:
      raise errors.ConfigError(
        f'--source={self.source} lists {medium}, and the model takes {self.export.medium}. Name '
        'a source of those, or another model.'
      )
    if self.is_submission:
      submissions.challenge(self.export.labels)  # Refuses a model that knows none of its words.

  @property
  def corrected(self) -> corrections.Corrections:
    """What is wrong in the corpus: nobody says."""
    return corrections.Corrections()

  @property
  def audio(self) -> audio_schema.AudioSpec | None:
    """The form of the clips; None where the model takes pictures."""
    return self.export.audio

  @property
  def is_labelled(self) -> bool:
    """Whether the corpus says what is in its clips."""
    return sources.SOURCES[self.source].is_labelled

  @property
  def is_submission(self) -> bool:
    """Whether one file is wanted in the end, of one line for each clip."""
    return self.format == submissions.KAGGLE

  @property
  def columns(self) -> answer_rows.Columns:
    """What is said in each row."""
    return answer_rows.Columns(
      labels=self.export.labels,
      top=self.top,
      probabilities=self.probabilities,
      key=answer_rows.ID,
      more=('file', 'speaker', 'split'),
      has_windows=True,
      has_none=bool(self.export.none_score),
      has_label=self.is_labelled,
    )
