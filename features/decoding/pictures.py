"""From the bytes of a picture file to one array: upright, opaque, 8 bits a channel, one size.

The data job and prediction decode with the same function, so a model sees in service what it saw
in training.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features import image
from features.decoding import clips
from schemas.rejects import ClipError

if TYPE_CHECKING:
  import PIL.Image

# No others: Pillow's readers of rarer formats are less tried on damaged files, and that of EPS runs
# another program.
FORMATS = ('PNG', 'JPEG', 'GIF', 'BMP', 'WEBP')
_SIGNATURES = (b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff', b'GIF8')

# Pillow's own limit, beyond which it suspects a small file that unpacks into all memory: 270 MB of
# red, green and blue.
MAX_PIXELS = 89_478_485

# JPEG can be unpacked at 1/2, 1/4 and 1/8 of its size, each at a fraction of the cost. It is, as
# long as this times the wanted size is left for the resampling. Measured with 12 megapixels of
# edges and 1/f noise, as photographs have it, and 128 x 128: 2.7 times as fast, pixels within 3 of
# 255, 0.13 on average.
JPEG_SIZE_RATIO = 3

_SILENT = ('ignore', None, Warning, re.compile(r'PIL\.'), 0)


def decode(data: bytes, settings: image.Image) -> clips.Clip:
  """Returns the picture in `data`, in the size and the channels of `settings`.

  Turned upright as its EXIF says; what is transparent shows white; of an animation, the first
  picture; 16 bits become 8; colours other than red, green and blue are converted without their
  profile. Resampled by triangles as wide as the pixels of the coarser grid, so nothing flickers
  where a large picture becomes small.

  Args:
    data: A whole file: PNG, JPEG, GIF, BMP or WebP.
    settings: Size, channels and fit.

  Returns:
    A Clip with whole numbers from 0 to 255 as samples, float32 [height, width, channels].

  Raises:
    ClipError: reason empty, not_a_picture, truncated or too_large.
  """
  if not data:
    raise ClipError('empty', 'Wanted a picture, got 0 bytes.')
  if _SILENT not in warnings.filters:
    # Pillow warns of what is refused or repaired here; a job must not print it once per file.
    warnings.filterwarnings('ignore', module=r'PIL\.')
  source = _opened(data)
  try:
    largest = JPEG_SIZE_RATIO * max(settings.height, settings.width)
    source.draft(None, (largest, largest))  # Does nothing for other formats than JPEG.
    source.load()
    picture = _in_bytes(_upright(source), 'L' if settings.channels == 1 else 'RGB')
  except Exception as error:  # On damaged bytes a decoder can fail with anything.
    raise ClipError('truncated', f'Wanted a whole picture, got: {_said(error)}.') from error
  pixels = np.asarray(_fitted(picture, settings), np.float32)
  return clips.Clip(pixels.reshape(image.shape(settings, None)), 0, 0.0)


def _opened(data: bytes) -> PIL.Image.Image:
  """Reads the header."""
  import PIL.Image

  try:
    source = PIL.Image.open(io.BytesIO(data), formats=FORMATS)
  except PIL.Image.DecompressionBombError as error:
    raise _too_large(_said(error)) from error
  except Exception as error:  # As above.
    if data.startswith(_SIGNATURES):
      detail = 'Wanted a whole picture, got one that ends, or is damaged, in its header.'
      raise ClipError('truncated', detail) from error
    detail = f'Wanted a picture as {", ".join(FORMATS)}, got none of these.'
    raise ClipError('not_a_picture', detail) from error
  width, height = source.size
  if width * height > MAX_PIXELS:
    raise _too_large(f'{width} x {height}')
  return source


def _too_large(got: str) -> ClipError:
  return ClipError('too_large', f'Wanted at most {MAX_PIXELS} pixels, got {got}.')


def _said(error: Exception) -> str:
  """What the library says, as part of a sentence."""
  return (str(error) or type(error).__name__).rstrip('.')


def _upright(source: PIL.Image.Image) -> PIL.Image.Image:
  """Turned as the camera says it was held."""
  import PIL.ImageOps

  try:
    return PIL.ImageOps.exif_transpose(source)
  except Exception:  # The pixels are whole, only the note about them is not.
    return source


def _in_bytes(source: PIL.Image.Image, mode: str) -> PIL.Image.Image:
  """Opaque, in `mode`: RGB or L, 8 bits a channel. L is (299 R + 587 G + 114 B) / 1000."""
  import PIL.Image

  if source.mode.startswith(('I', 'F')):
    source = PIL.Image.fromarray(_grey(np.asarray(source)))
  elif source.has_transparency_data:
    layer = source.convert('RGBA')
    source = PIL.Image.new('RGBA', layer.size, 'white')
    source.alpha_composite(layer)
  return source.convert(mode)


def _grey(values: NDArray[np.generic]) -> NDArray[np.uint8]:
  """16-bit grey [height, width] as 8-bit: 65535 becomes 255."""
  if values.dtype.kind not in 'iu' or values.min() < 0 or values.max() > 65535:
    raise ValueError('grey of more than 16 bits')
  return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _fitted(picture: PIL.Image.Image, settings: image.Image) -> PIL.Image.Image:
  """In the size that is wanted."""
  import PIL.Image

  bilinear = PIL.Image.Resampling.BILINEAR
  size = (settings.width, settings.height)
  scales = [wanted / got for wanted, got in zip(size, picture.size, strict=True)]
  if settings.fit == image.CROP:
    scale = max(scales)
    cut = [(got - wanted / scale) / 2 for wanted, got in zip(size, picture.size, strict=True)]
    left, top = max(0.0, cut[0]), max(0.0, cut[1])
    box = (left, top, picture.width - left, picture.height - top)
    return picture.resize(size, bilinear, box=box)
  if settings.fit == image.STRETCH:
    return picture.resize(size, bilinear)
  inner = [max(1, round(got * min(scales))) for got in picture.size]
  padded = PIL.Image.new(picture.mode, size)
  corner = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
  padded.paste(picture.resize((inner[0], inner[1]), bilinear), corner)
  return padded
