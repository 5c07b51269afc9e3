"""Sub-spectral normalisation: batch normalisation of each group of bins by itself.

Source: Chang et al., "SubSpectral Normalization for Neural Audio Data Processing" (ICASSP 2021).
"""

from __future__ import annotations

from trainer.lazy import keras
from trainer.models import clip_rows
from trainer.models.clip_rows import Rows


def normed(x: Rows, *, groups: int, name: str) -> Rows:
  """Returns rows of mean 0 and variance 1 per channel and group of neighbouring bins.

  Args:
    x: values [batch, rows, bins, channels].
    groups: How many; where the bins cannot be divided by it, the largest number that divides them.
    name: Of the layer.
  """
  height, bins, channels = x.values.shape[1:]
  groups = next(n for n in range(min(groups, bins), 0, -1) if bins % n == 0)
  if groups == 1:
    return clip_rows.batch_norm(x, name=name)
  height = height or -1
  size = bins // groups
  # A group's bins side by side, all groups' channels in one axis.
  grouped = keras.layers.Reshape((height, groups, size, channels), name=f'{name}_groups')
  beside = keras.layers.Reshape((height, size, groups * channels), name=f'{name}_beside')
  x = x.through(grouped)
  if size > 1:
    x = x.through(keras.layers.Permute((1, 3, 2, 4), name=f'{name}_across'))
  x = clip_rows.batch_norm(x.through(beside), name=name)
  if size > 1:
    apart = keras.layers.Reshape((height, size, groups, channels), name=f'{name}_apart')
    x = x.through(apart).through(keras.layers.Permute((1, 3, 2, 4), name=f'{name}_back'))
  return x.through(keras.layers.Reshape((height, bins, channels), name=f'{name}_bins'))
