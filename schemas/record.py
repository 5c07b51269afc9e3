"""The record schema: which fields an Example has, and how an array stands in it."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from schemas import errors, json_form

# Bump with every change of bytes on disk (fields, byte order, hash, shard packing), with a
# "Record format" line in the CHANGELOG.
RECORD_VERSION = 3
# What the programs read. Records of version 2 only lack what is said of their origin.
READABLE_VERSIONS = (2, 3)

# Names of the scalar fields. A feature may not have one of these names.
ID = 'id'  # bytes: Utterance.utterance_id in UTF-8
SPEAKER = 'speaker'  # bytes: Utterance.speaker_id in UTF-8
LABEL = 'label'  # int64: index into the manifest's labels
NUM_SAMPLES = 'num_samples'  # int64: samples of real audio; the rest of the clip is padding
AUGMENTATION = 'augmentation'  # bytes: what was done to a copy; empty for an original
FILE = 'file'  # bytes: the file in UTF-8, relative to the corpus with `/`, or its whole URI
START_US = 'start_us'  # int64: where the clip begins in its file, in microseconds
END_US = 'end_us'  # int64: where it ends, before silence is trimmed and the rest cut; 0: a picture
FIELDS = 'fields'  # bytes: what else the corpus says of the clip, a JSON object of strings
SCALARS = (ID, SPEAKER, LABEL, NUM_SAMPLES, AUGMENTATION, FILE, START_US, END_US, FIELDS)
# Those that came with version 3.
OF_ORIGIN = (FILE, START_US, END_US, FIELDS)
FIRST_WITH_ORIGIN = 3

# Behind the id of a clip that is repeated, for balance or to be augmented.
_COPY_MARK = '#copy'
_OF_COPY = re.compile(f'.+{_COPY_MARK}[0-9]+', re.DOTALL)

ITEM_BYTES = {'float16': 2, 'float32': 4, 'int16': 2, 'uint8': 1}


def copy_id(utterance_id: str, number: int) -> str:
  """Returns the id of the record of a copy of a clip, from 1 on; of 0 that of the clip itself."""
  return f'{utterance_id}{_COPY_MARK}{number}' if number else utterance_id


def is_copy(record_id: str, augmentation: str) -> bool:
  """Whether a record repeats or changes another one, by what its fields ID and AUGMENTATION say."""
  return bool(augmentation or _OF_COPY.fullmatch(record_id))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSpec(json_form.Fields):
  """One array of a record: a single bytes value, raw little-endian, C order.

  Attributes:
    name: Its key in the Example; the name of the feature's kind.
    shape: Such as (98, 80): [num_frames, num_mels]. Never with a batch dimension. The first is
      None where each clip has a length of its own.
    dtype: One of ITEM_BYTES. An int16 array holds samples in [-1, 1) times 32768.
    settings: The settings that computed it, every field, so that serving can repeat it.
  """

  name: str
  shape: tuple[int | None, ...]
  dtype: str
  settings: Mapping[str, Any]

  def __post_init__(self) -> None:
    if self.name in SCALARS:
      raise errors.SchemaError(f'A feature may not be called {self.name!r}: it is a field.')
    if self.dtype not in ITEM_BYTES:
      raise errors.SchemaError(
        f'Feature {self.name!r}: dtype must be one of {", ".join(ITEM_BYTES)}, got {self.dtype!r}.'
      )
    if None in self.shape[1:]:
      raise errors.SchemaError(
        f'Feature {self.name!r}: only the first axis may be of any length, got {self.shape}.'
      )
    if not self.shape or min(size for size in (*self.shape, 1) if size is not None) < 1:
      raise errors.SchemaError(
        f'Feature {self.name!r} would have the shape {self.shape}: nothing would be stored. '
        'Are the clips shorter than one window?'
      )

  @property
  def is_variable(self) -> bool:
    """Whether the first axis differs from clip to clip."""
    return self.shape[0] is None

  @property
  def shape_words(self) -> str:
    """Such as `98 rows x 80 bins`, `any number of rows x 80 bins`, `8,000 values`."""
    nouns = {1: (' values',), 2: (' rows', ' bins')}.get(len(self.shape), ('',) * len(self.shape))
    axes = zip(self.shape, nouns, strict=True)
    return ' x '.join(
      f'any number of{noun or " rows"}' if size is None else f'{size:,}{noun}'
      for size, noun in axes
    )

  @property
  def row_shape(self) -> tuple[int, ...]:
    """The axes behind the first."""
    return tuple(size for size in self.shape[1:] if size is not None)

  @property
  def row_bytes(self) -> int:
    """Bytes of one entry along the first axis, such as one frame."""
    return math.prod(self.row_shape) * ITEM_BYTES[self.dtype]

  @property
  def num_bytes(self) -> int | None:
    """Bytes of one array; None where they differ from clip to clip."""
    return None if self.shape[0] is None else self.shape[0] * self.row_bytes

  @property
  def num_bins(self) -> int:
    """Length of the axis along which statistics are kept: the last, or 1 for a waveform."""
    return self.row_shape[-1] if self.row_shape else 1
