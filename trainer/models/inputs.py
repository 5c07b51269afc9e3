"""The first layers of every model: normalisation, and the axes that a 2-D network wants."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas import errors, manifest, record
from trainer.lazy import keras

# A bin that moves less than this share of the typical bin holds rounding noise (such as the mel
# bands above the source's bandwidth). Divided by its own deviation, the noise would become as loud
# as speech, and a clip with sound there would be thousands of deviations away.
MIN_DEVIATION_RATIO = 0.01


def normalised(
  inputs: Any, feature: record.FeatureSpec, statistics: manifest.FeatureStatistics | None
) -> Any:
  """Returns `inputs` with mean 0 and variance 1 per bin of the train split, in float32.

  Args:
    inputs: float32 [batch, *feature.shape].
    feature: What the inputs are.
    statistics: Mean and variance per bin (one of each for a waveform); None leaves the inputs be.
  """
  if statistics is None:
    return inputs
  mean, variance = np.array(statistics.mean), floored(np.array(statistics.variance))
  per_bin = len(feature.shape) > 1
  # float32 whatever the policy: float16 would round before the mean is taken off.
  return keras.layers.Normalization(
    axis=-1 if per_bin else None,
    mean=mean if per_bin else mean[0],
    variance=variance if per_bin else variance[0],
    dtype='float32',
    name='normalization',
  )(inputs)


def floored(variance: np.ndarray) -> np.ndarray:
  """Returns variances [bins] of which none is far below the mean of all; all 1 if all are 0."""
  floor = MIN_DEVIATION_RATIO**2 * float(np.mean(variance))
  return np.maximum(variance, floor) if floor > 0 else np.ones_like(variance)


def image_shape(feature: record.FeatureSpec, *, model: str) -> tuple[int | None, int, int]:
  """Returns (height, width, channels); [time, bins] is an image of one channel.

  The height is None where each clip has a length of its own.

  Raises:
    DatasetError: if the feature has another number of axes.
  """
  if len(feature.shape) == 2:
    return feature.shape[0], *feature.row_shape, 1
  if len(feature.shape) == 3:
    return feature.shape[0], *feature.row_shape
  raise errors.DatasetError(
    f'Model {model!r} takes a feature of [time, bins] or [height, width, channels], but '
    f'{feature.name!r} is {shape_text(feature)}. Pick another feature of the data set, or make '
    'one with the data job, such as --feature=log_mel.'
  )


def shape_text(feature: record.FeatureSpec) -> str:
  """Returns such as `[98, 80]`; `any` stands for the length of a clip's own."""
  return f'[{", ".join("any" if size is None else str(size) for size in feature.shape)}]'


def as_image(inputs: Any, shape: tuple[int | None, int, int]) -> Any:
  """Returns [batch, height, width, channels]."""
  if tuple(inputs.shape[1:]) == shape:
    return inputs
  height = -1 if shape[0] is None else shape[0]
  return keras.layers.Reshape((height, *shape[1:]), dtype='float32', name='image')(inputs)


def new_input(feature: record.FeatureSpec) -> keras.KerasTensor:
  """Returns the model's input, float32 [batch, *feature.shape]."""
  return keras.Input(feature.shape, dtype='float32', name=feature.name)


def new_num_rows() -> keras.KerasTensor:
  """Returns the second input of models on clips of any length: the rows of each, int32 [batch]."""
  return keras.Input((), dtype='int32', name='num_rows')
