"""What stands in front of every model: what it may take, its inputs, their normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas import errors, manifest, record
from trainer.lazy import keras
from trainer.models import model as model_lib

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
    statistics: Mean and variance per bin (one of each for samples); None leaves the inputs be.
  """
  if statistics is None:
    return inputs
  mean, variance = np.array(statistics.mean), floored(np.array(statistics.variance))
  per_bin = len(mean) > 1
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


def check(
  model: str,
  feature: record.FeatureSpec,
  *,
  takes: Sequence[model_lib.Takes],
  lengths: model_lib.Lengths,
) -> None:
  """Refuses a feature that a model cannot take, by its axes or by its length.

  Raises:
    DatasetError: if so.
  """
  if len(feature.shape) not in {one.rank for one in takes}:
    other = 'waveform' if model_lib.Takes.FRAMES not in takes else 'log_mel'
    raise errors.DatasetError(
      f'Model {model!r} takes a feature of {" or ".join(one.value for one in takes)}, but '
      f'{feature.name!r} is {shape_text(feature)}. Pick another feature of the data set, or make '
      f'one with the data job, such as --feature={other}.'
    )
  if feature.is_variable and lengths == model_lib.Lengths.ONE:
    raise errors.DatasetError(
      f'Model {model!r} takes clips of one length, but {feature.name!r} is {shape_text(feature)}: '
      'each clip has its own. Make the data set with a length, such as --clip_seconds=1, or take a '
      'model of clips of any length, such as --model=cnn.'
    )


def check_size(feature: record.FeatureSpec, least: int, *, what: str, hint: str) -> None:
  """Refuses a feature that is too narrow or, where all clips are as long, too short for a model.

  Args:
    feature: What it is to take.
    least: The frames and bins that it needs.
    what: The model, with the settings that decide it, such as `Model 'cnn' with pool=2`.
    hint: What to do.

  Raises:
    DatasetError: if so.
  """
  if min(size for size in feature.shape[:2] if size is not None) < least:
    raise errors.DatasetError(
      f'{what} needs at least {least} frames and {least} bins, but {feature.name!r} is '
      f'{shape_text(feature)}. {hint}'
    )


def shape_text(feature: record.FeatureSpec) -> str:
  """Returns such as `[98, 80]`; `any` stands for the length of a clip's own."""
  return axes_text(feature.shape)


def axes_text(sizes: Sequence[int | None]) -> str:
  """Returns such as `[any, 80]`; `any` stands for None."""
  return f'[{", ".join("any" if size is None else str(size) for size in sizes)}]'


def new_inputs(feature: record.FeatureSpec) -> list[keras.KerasTensor]:
  """Returns a model's inputs: the feature's values, and where clips have their own the rows."""
  return [new_input(feature), *([new_num_rows()] if feature.is_variable else [])]


def new_input(feature: record.FeatureSpec) -> keras.KerasTensor:
  """Returns the model's input, float32 [batch, *feature.shape]."""
  return keras.Input(feature.shape, dtype='float32', name=feature.name)


def new_num_rows() -> keras.KerasTensor:
  """Returns the second input of models on clips of any length: the rows of each, int32 [batch]."""
  return keras.Input((), dtype='int32', name='num_rows')
