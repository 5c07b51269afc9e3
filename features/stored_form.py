"""From computed float32 arrays to the form in which they are stored, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import errors, record

# An int16 sample is a number in [-1, 1) times this, as in a WAV file.
INT16_SCALE = 32768.0
FLOAT16_MAX = 65504.0

_STORED: Mapping[str, np.dtype[Any]] = {
  'float16': np.dtype('<f2'),
  'float32': np.dtype('<f4'),
  'int16': np.dtype('<i2'),
  'uint8': np.dtype('u1'),
}


def to_stored(array: NDArray[np.float32], dtype: str) -> NDArray[Any]:
  """Returns `array` in its stored form, little-endian; the input itself where nothing changes.

  What the target cannot hold is saturated, as an amplifier would: int16 at -32768 and 32767,
  uint8 at 0 and 255, float16 at -65504 and 65504. So no finite value becomes infinite. Settings
  under which a recording in [-1, 1] could reach that limit are refused when they are made (see
  features/mel.py).

  Args:
    array: Finite values, float32 of any shape.
    dtype: `float16`, `float32`, `int16` or `uint8`; int16 takes samples in [-1, 1) times 32768,
      uint8 values as they are, such as pixels; both rounded to the nearest, halves to even.

  Raises:
    FeatureError: for another dtype.
  """
  if dtype not in _STORED:
    raise errors.FeatureError(
      f'A computed feature is stored as {", ".join(_STORED)}; got dtype {dtype!r} '
      f'(the record schema knows {", ".join(record.ITEM_BYTES)}).'
    )
  stored = _STORED[dtype]
  if dtype == 'int16':
    scaled = np.rint(np.clip(array, -1.0, 1.0) * np.float32(INT16_SCALE))
    samples: NDArray[Any] = np.minimum(scaled, 32767, out=scaled).astype(stored)
    return samples
  if dtype == 'uint8':
    pixels: NDArray[Any] = np.rint(np.clip(array, 0.0, 255.0)).astype(stored)
    return pixels
  # Looked at before, as it hardly ever is so: a third of what clipping takes.
  if dtype == 'float16' and max(array.max(initial=0.0), -array.min(initial=0.0)) > FLOAT16_MAX:
    array = np.clip(array, -FLOAT16_MAX, FLOAT16_MAX)
  values: NDArray[Any] = array.astype(stored, copy=False)
  return values


def check_fits(dtype: str, highest: float, what: str, *, remedy: str) -> None:
  """Raises FeatureError where a value can be too large for its type.

  Args:
    dtype: How it is stored.
    highest: A bound for the value.
    what: What can be so large, the beginning of the sentence.
    remedy: What to do, if not dtype=float32.
  """
  if dtype == 'float16' and highest > FLOAT16_MAX:
    raise errors.FeatureError(
      f'{what}, float16 ends at {FLOAT16_MAX:g}. Use dtype=float32, or {remedy}.'
    )


def from_stored(array: NDArray[Any]) -> NDArray[np.float32]:
  """Returns stored values as float32; int16 samples in [-1, 1), uint8 in [0, 255]."""
  values = array.astype(np.float32)
  if array.dtype.kind == 'i':
    values *= np.float32(1 / INT16_SCALE)
  return values
