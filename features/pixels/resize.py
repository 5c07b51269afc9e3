"""Resampling of the axes of pictures, as sparse matrices."""

import functools
from typing import Any

import numpy as np
import scipy.sparse


@functools.lru_cache(maxsize=256)
def bilinear(num_in: int, num_out: int) -> Any:
  """Weights that turn `num_in` values along an axis into `num_out`: csr float32 [out, in].

  A triangle around the place of each output, one input wide on each side, or one output wide where
  outputs are farther apart, so that nothing between them is skipped (antialiasing). Rows add up
  to 1; beyond the ends there is nothing.

  Source: the same as PIL.Image.resize(resample=BILINEAR) and
  tf.image.resize(method='bilinear', antialias=True).

  Args:
    num_in: At least 1.
    num_out: At least 1.
  """
  scale = num_in / num_out
  reach = max(scale, 1.0)
  centres = (np.arange(num_out) + 0.5) * scale  # In inputs.
  # Only inputs that are within reach, so that the table stays small for long clips.
  first = np.floor(centres - reach).astype(np.int64)
  columns = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
  heights = np.maximum(0.0, 1.0 - np.abs(columns + 0.5 - centres[:, None]) / reach)
  heights[(columns < 0) | (columns >= num_in)] = 0.0
  heights /= heights.sum(axis=1, keepdims=True)
  rows = np.broadcast_to(np.arange(num_out)[:, None], columns.shape)
  used = heights > 0
  entries = (heights[used].astype(np.float32), (rows[used], columns[used]))
  return scipy.sparse.csr_array(entries, shape=(num_out, num_in))
