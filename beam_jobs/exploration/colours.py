"""Numbers as pictures: colours for values, and PNG files as text that stands in a page."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.pixels import colormaps

_COLORMAP = 'magma'


def data_uri(data: bytes, mime: str) -> str:
  """Returns bytes as an address that holds them."""
  return f'data:{mime};base64,{base64.b64encode(data).decode("ascii")}'


def shades_png(values: NDArray[np.floating[Any]]) -> bytes:
  """Returns a PNG of values in [0, 1], dark to bright, float [height, width]; 256 colours."""
  # Here, not above, as whatever is needed for pictures alone.
  import PIL.Image

  levels = np.rint(np.clip(values, 0.0, 1.0) * 255).astype(np.uint8)
  image = PIL.Image.fromarray(levels, 'P')
  image.putpalette(colormaps.table(_COLORMAP).astype(np.uint8).tobytes())
  return _png(image)


def picture_png(pixels: NDArray[np.uint8]) -> bytes:
  """Returns a PNG of pixels, uint8 [height, width, 3]."""
  import PIL.Image

  return _png(PIL.Image.fromarray(pixels, 'RGB'))


def picture(stored: NDArray[Any]) -> NDArray[np.uint8]:
  """Returns a stored array as a picture, uint8 [height, width, 3].

  Args:
    stored: A picture [height, width, 1 or 3], as it is; or a feature [time, bins], with time to the
      right, the first bin at the bottom, and its own smallest and largest value dark and bright.
  """
  if stored.ndim == 3:
    return np.repeat(stored, 3, axis=2) if stored.shape[2] == 1 else stored
  values = stored.astype(np.float32)
  low, high = values.min(), values.max()
  shades = (values - low) / (high - low) if high > low else np.zeros_like(values)
  levels = np.rint(shades.T[::-1] * 255).astype(np.uint8)
  return colormaps.table(_COLORMAP).astype(np.uint8)[levels]


def _png(image: Any) -> bytes:
  stream = io.BytesIO()
  image.save(stream, format='PNG', optimize=True)
  return stream.getvalue()
