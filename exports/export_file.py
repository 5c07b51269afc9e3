"""export.json: what an exported model takes and gives."""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from schemas import audio as audio_schema
from schemas import errors, json_form, medium, record

FILE = 'export.json'
# Bump with every change of a name or a meaning in export.json, or of a signature.
EXPORT_VERSION = 1

# The names of the formats, and of what lies in the folder.
SAVED_MODEL = 'saved_model'
KERAS = 'keras'
LITERT = 'litert'
LITERT_DYNAMIC = 'litert_dynamic'
LITERT_INT8 = 'litert_int8'
LITERT_STREAMING = 'litert_streaming'
ONNX = 'onnx'
LABELS = 'labels.txt'

# Signatures of the SavedModel. Each takes and gives tensors by name.
SERVING = 'serving_default'  # samples, or pictures.
CLIPS = 'clips'  # samples and num_samples: clips of different lengths in one batch.
LABEL_NAMES = 'labels'  # Nothing in, the labels out.

SAMPLES = 'samples'
NUM_SAMPLES = 'num_samples'
PICTURES = 'pictures'
PROBABILITIES = 'probabilities'
LOGITS = 'logits'
LABEL = 'label'
IS_NONE = 'none_of_these'

# What is answered in place of a label.
NONE = 'none of these'
# What that goes by: the highest probability, or the logarithm of the sum of exp(logit).
SOFTMAX = 'softmax'
ENERGY = 'energy'
NONE_SCORES = (SOFTMAX, ENERGY)

# What is said of damage holds what was found, which may be long.
_MOST_REASON = 200
# A name of something in the folder: no path that leads out of it, also not on other systems.
_IN_FOLDER = re.compile(r'[A-Za-z0-9_-][A-Za-z0-9_.-]*')
_DIGEST = re.compile(r'[0-9a-f]{64}')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export(json_form.Fields):
  """What an export is.

  Attributes:
    model: Such as `cnn:filters=64`.
    labels: Their names, in the order of the probabilities.
    audio: The form of the clips; None where the model takes pictures. Effects happen inside of the
      model, all else of it before: one channel, its rate, trimming, cutting.
    feature: What the model computes of them; of pictures their size is its shape.
    min_samples: To so many a shorter batch is padded, where clips have lengths of their own.
    most_samples: The most that the model takes; 0: any. More are refused.
    temperature: What the logits are divided by before they become probabilities.
    none_score: What "none of these" goes by: `softmax` or `energy`, of the logits as they are; ''
      where every clip gets a label.
    none_threshold: Below this score a clip is none of these.
    formats: What lies in the folder, by the name of the format.
    origin: Plain JSON: of what run, checkpoint and data set it was made, and by which versions.
    files: The SHA-256 of each file of the formats, by its path in the folder; see file_digests.
    moved_in_time: Whether clips of the training were moved in time, so that words are known
      anywhere in them; None where nobody knows, and of pictures.
    licence: Of the model, as its owner says; '' where nothing was said.
    measured: Plain JSON: what the formats cost and how well they do, on the machine that exported;
      empty where it was not measured.
    export_version: See EXPORT_VERSION.
  """

  model: str
  labels: tuple[str, ...]
  audio: audio_schema.AudioSpec | None
  feature: record.FeatureSpec
  min_samples: int
  most_samples: int
  temperature: float
  none_score: str
  none_threshold: float
  formats: Mapping[str, Any]
  origin: Mapping[str, Any]
  files: Mapping[str, str] = dataclasses.field(default_factory=dict)
  moved_in_time: bool | None = None
  licence: str = ''
  measured: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  export_version: int = EXPORT_VERSION

  def __post_init__(self) -> None:
    if not self.labels or len(set(self.labels)) != len(self.labels):
      raise errors.SchemaError(f'labels must be there and differ, got {len(self.labels)}.')
    try:
      label_bytes(self.labels)
    except UnicodeEncodeError as error:
      raise errors.SchemaError(f'labels must be text, got half of a character: {error}.') from error
    if self.temperature <= 0:
      raise errors.SchemaError(f'temperature must be positive, got {self.temperature:g}.')
    if self.none_score and self.none_score not in NONE_SCORES:
      raise errors.SchemaError(
        f"none_score must be {', '.join(NONE_SCORES)} or '', got {self.none_score!r}."
      )
    for name, file in self.formats.items():
      if not (isinstance(file, str) and _IN_FOLDER.fullmatch(file)):
        raise errors.SchemaError(
          f'formats, {name!r} must be the name of what lies in the folder, got {file!r}.'
        )
    for file, digest in self.files.items():
      if not all(map(_IN_FOLDER.fullmatch, file.split('/'))) or not _DIGEST.fullmatch(digest):
        raise errors.SchemaError(
          f'files must be paths in the folder with their SHA-256, got {file!r}: {digest!r}.'
        )
    self._check_samples()

  def _check_samples(self) -> None:
    audio = self.audio
    most = self.most_samples
    if audio is None:
      is_right = most == 0
    elif audio.clip_samples:
      is_right = most == audio.clip_samples
    else:
      # A batch is padded to the least: a window of a feature, which is no minute.
      longest_s = max(60.0, audio.max_clip_s)
      is_right = most >= 0 and 1 <= self.min_samples <= longest_s * audio.sample_rate_hz
    if not is_right:
      raise errors.SchemaError(
        f'min_samples {self.min_samples} and most_samples {most} do not fit the clips that audio '
        'describes.'
      )

  @property
  def medium(self) -> str:
    """What the model takes: one of schemas.medium.MEDIA."""
    return medium.AUDIO if self.audio else medium.PICTURES

  @property
  def is_variable(self) -> bool:
    """Whether clips may have lengths of their own."""
    return self.audio is not None and self.audio.is_variable


def label_bytes(labels: Iterable[str]) -> list[bytes]:
  """Returns labels as a model names them: those that were no UTF-8 are again what they were."""
  return [label.encode('utf-8', 'surrogateescape') for label in labels]


def labels_text(labels: Iterable[str]) -> str:
  """Returns what labels.txt holds: a line for each label, in their order."""
  return ''.join(f'{" ".join(label.splitlines())}\n' for label in labels)


def load(folder: str) -> Export:
  """Returns what the export in a folder is.

  Raises:
    ConfigError: if there is none, it is damaged, or of another version.
  """
  path = os.path.join(folder, FILE)
  try:
    with open(path, encoding='utf-8', errors='surrogateescape') as stream:
      value = json.load(stream)
    version = json_form.Reader(value, path).integer('export_version')
    if version != EXPORT_VERSION:
      raise errors.ConfigError(
        f'The export in {folder!r} has version {version}, and this program reads '
        f'{EXPORT_VERSION}. Export the run again: python -m trainer.export.'
      )
    # Exports of before say nothing of their files, or of how their clips came to be.
    is_older = not {'files', 'moved_in_time'} <= value.keys()
    return Export.from_json(value, where=path, is_older=is_older)
  except (FileNotFoundError, NotADirectoryError) as error:
    raise errors.ConfigError(
      f'{folder!r} holds no export: it has no {FILE}. Make one of a run: '
      'python -m trainer.export --run_dir=RUN --output=FOLDER.'
    ) from error
  except (OSError, ValueError, RecursionError) as error:
    if isinstance(error, errors.ConfigError):
      raise
    raise errors.ConfigError(
      f'{path!r} cannot be read ({_reason(error, path)}). Export the run again: '
      'python -m trainer.export --overwrite.'
    ) from error


def _reason(error: Exception, path: str) -> str:
  text = str(error).removeprefix(path).lstrip(':, ').rstrip('.')
  return text if len(text) <= _MOST_REASON else f'{text[:_MOST_REASON]}...'
