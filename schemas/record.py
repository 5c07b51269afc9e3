"""The record schema: which fields an Example has, and how an array stands in it."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from schemas import errors, json_form

# Bump with every change of bytes on disk (fields, byte order, hash, shard packing), with a
# "Record format" line in the CHANGELOG.
RECORD_VERSION = 1

# Names of the scalar fields. A feature may not have one of these names.
ID = 'id'  # bytes: Utterance.utterance_id in UTF-8
SPEAKER = 'speaker'  # bytes: Utterance.speaker_id in UTF-8
LABEL = 'label'  # int64: index into the manifest's labels
NUM_SAMPLES = 'num_samples'  # int64: samples of real audio; the rest of the clip is padding
SCALARS = (ID, SPEAKER, LABEL, NUM_SAMPLES)

ITEM_BYTES = {'float16': 2, 'float32': 4, 'int16': 2, 'uint8': 1}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSpec:
  """One array of a record: a single bytes value, raw little-endian, C order.

  Attributes:
    name: Its key in the Example; the name of the feature's kind.
    shape: Such as (98, 80): [num_frames, num_mels]. Never with a batch dimension.
    dtype: One of ITEM_BYTES. An int16 array holds samples in [-1, 1) times 32768.
    settings: The settings that computed it, every field, so that serving can repeat it.
  """

  name: str
  shape: tuple[int, ...]
  dtype: str
  settings: Mapping[str, Any]

  def __post_init__(self) -> None:
    if self.name in SCALARS:
      raise errors.SchemaError(f'A feature may not be called {self.name!r}: it is a field.')
    if self.dtype not in ITEM_BYTES:
      raise errors.SchemaError(
        f'Feature {self.name!r}: dtype must be one of {", ".join(ITEM_BYTES)}, got {self.dtype!r}.'
      )
    if not self.shape or min(self.shape) < 1:
      raise errors.SchemaError(
        f'Feature {self.name!r} would have the shape {self.shape}: nothing would be stored. '
        'Are the clips shorter than one window?'
      )

  @property
  def num_bytes(self) -> int:
    """Bytes of one array."""
    return math.prod(self.shape) * ITEM_BYTES[self.dtype]

  @property
  def num_bins(self) -> int:
    """Length of the axis along which statistics are kept: the last, or 1 for a waveform."""
    return self.shape[-1] if len(self.shape) > 1 else 1

  def to_json(self) -> dict[str, Any]:
    """Returns plain lists, numbers and strings."""
    return {
      'name': self.name,
      'shape': list(self.shape),
      'dtype': self.dtype,
      'settings': dict(self.settings),
    }

  @classmethod
  def from_json(cls, value: Any, *, where: str) -> 'FeatureSpec':
    """Reads what to_json wrote; SchemaError names `where` and the field."""
    obj = json_form.Reader(value, where)
    return cls(
      name=obj.text('name'),
      shape=tuple(obj.integers('shape')),
      dtype=obj.text('dtype'),
      settings=obj.mapping('settings'),
    )
