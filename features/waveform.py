"""The samples themselves."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features import feature
from features.spectra import frames
from schemas import audio

_DTYPES = ('int16', 'float32')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waveform:
  """Settings of the waveform.

  Attributes:
    dtype: How it is stored: int16 (half the size, all that a 16-bit recording has) or float32.
      Not float16, which has 11 bits.
  """

  dtype: str = 'int16'

  def __post_init__(self) -> None:
    frames.check_dtype(self.dtype, _DTYPES)


def shape(settings: Waveform, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(clip_samples,); (None,) where each clip has a length of its own."""
  del settings
  return (None if spec.is_variable else spec.clip_samples,)


def kernel(settings: Waveform, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel that copies: [clips, num_samples] in and out, in [-1, 1]."""
  del settings, spec

  def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return batch.astype(np.float32, order='C')

  return compute


FEATURE = feature.Feature(settings=Waveform, shape=shape, kernel=kernel, has_twin=True)
