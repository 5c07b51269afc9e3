"""Pictures, brought to one size: the feature of a corpus that holds no audio."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features import feature
from features.spectra import frames
from schemas import errors, medium

STRETCH = 'stretch'
CROP = 'crop'
PAD = 'pad'
FITS = (STRETCH, CROP, PAD)

# Beyond this a side is a typing error: one picture of 4096 x 4096 takes 50 MB.
MAX_SIDE = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
  """Settings of a picture.

  Attributes:
    dtype: How it is stored: uint8.
    height: Pixels from top to bottom.
    width: Pixels from left to right.
    channels: 3 for red, green and blue, 1 for grey.
    fit: What is done with a picture of another shape: `stretch` it to the size, `crop` what
      stands over on two sides, evenly, or `pad` the missing on two sides, evenly, with black.
  """

  dtype: str = 'uint8'
  height: int = 128
  width: int = 128
  channels: int = 3
  fit: str = STRETCH

  def __post_init__(self) -> None:
    frames.check_dtype(self.dtype, ('uint8',))
    for name, side in (('height', self.height), ('width', self.width)):
      if not 1 <= side <= MAX_SIDE:
        raise errors.FeatureError(f'{name} must be in [1, {MAX_SIDE}] pixels, got {side}.')
    if self.channels not in (1, 3):
      raise errors.FeatureError(f'channels must be 1 (grey) or 3 (colour), got {self.channels}.')
    if self.fit not in FITS:
      raise errors.FeatureError(f'fit must be {", ".join(FITS)}, got {self.fit!r}.')


def shape(settings: Image, spec: None) -> tuple[int, ...]:
  """(height, width, channels)."""
  del spec
  return settings.height, settings.width, settings.channels


def kernel(settings: Image, spec: None) -> feature.Kernel:
  """Returns a kernel that copies: [clips, height, width, channels] in and out, from 0 to 255.

  The work is done where a picture is decoded: see features/decoding/pictures.py.
  """
  del settings, spec

  def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return batch.astype(np.float32, order='C')

  return compute


FEATURE = feature.Feature(settings=Image, shape=shape, kernel=kernel, medium=medium.PICTURES)
