"""Pictures and audio as addresses that hold all of their bytes, so that a page stands alone."""

import base64
import io
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.pixels import colormaps

# A player needs no more, and every byte stands in the page.
MAX_PLAYER_RATE_HZ = 24_000

_COLORMAP = 'magma'


def audio(samples: NDArray[np.float32], sample_rate_hz: int) -> str:
  """Returns samples [num_samples] as a 16-bit WAV file."""
  if sample_rate_hz > MAX_PLAYER_RATE_HZ:
    # Here, not above, as whatever only some pages need.
    import soxr

    samples = soxr.resample(samples, sample_rate_hz, MAX_PLAYER_RATE_HZ, quality='HQ')
    sample_rate_hz = MAX_PLAYER_RATE_HZ
  stream = io.BytesIO()
  with wave.open(stream, 'wb') as file:
    file.setparams((1, 2, sample_rate_hz, 0, 'NONE', ''))
    file.writeframes(np.rint(np.clip(samples, -1, 32767 / 32768) * 32768).astype('<i2').tobytes())
  return _address(stream, 'audio/wav')


def png(content: bytes) -> str:
  """Returns a PNG file that was made elsewhere."""
  return _address(io.BytesIO(content), 'image/png')


def shades(values: NDArray[np.floating[Any]]) -> str:
  """Returns values in [0, 1], float [height, width], as a picture from dark to bright."""
  import PIL.Image

  levels = np.rint(np.clip(values, 0.0, 1.0) * 255).astype(np.uint8)
  image = PIL.Image.fromarray(levels, 'P')
  image.putpalette(colormaps.table(_COLORMAP).astype(np.uint8).tobytes())
  return _png(image)


def is_picture(shape: Sequence[int | None], dtype: Any) -> bool:
  """Whether an array of this shape and dtype is a picture itself: uint8 [height, width, 1 or 3]."""
  return len(shape) == 3 and dtype == 'uint8' and shape[2] in (1, 3)


def picture(stored: NDArray[Any]) -> str:
  """Returns a stored array as a picture.

  Args:
    stored: A picture, uint8 [height, width, 1 or 3], as it is; or a feature [time, bins], with time
      to the right, the first bin at the bottom, its own smallest and largest value dark and bright.
  """
  import PIL.Image

  if stored.ndim == 3:
    return _png(PIL.Image.fromarray(np.repeat(stored, 3 // stored.shape[2], axis=2), 'RGB'))
  values = stored.astype(np.float32).T[::-1]
  low, high = values.min(), values.max()
  return shades((values - low) / (high - low) if high > low else np.zeros_like(values))


def _png(image: Any) -> str:
  stream = io.BytesIO()
  image.save(stream, format='PNG', optimize=True)
  return _address(stream, 'image/png')


def _address(stream: io.BytesIO, mime: str) -> str:
  return f'data:{mime};base64,{base64.b64encode(stream.getvalue()).decode("ascii")}'
