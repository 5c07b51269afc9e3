"""Some examples of the data set as pictures, so that one sees what a model is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas import splits
from trainer.data import input_pipeline, named_data

_COUNT = 6


def draw(source: input_pipeline.Source) -> NDArray[np.float32] | None:
  """Returns the first examples of the train split, [count, height, width, channels] in [0, 1].

  Time goes to the right and frequency up, each example from its darkest to its brightest. None
  where the feature has no two axes to draw, or this process reads no records.
  """
  rank = len(source.manifest.feature(source.feature_name).shape)
  if rank not in (2, 3) or source.random_data or source.data_service:
    return None
  batches = named_data.read_batches(source.request(splits.TRAIN, batch_size=_COUNT))
  values = next(iter(batches))[source.feature_name].numpy().astype(np.float32)
  if rank == 2:
    values = values.transpose(0, 2, 1)[:, ::-1, :, np.newaxis]
  axes = tuple(range(1, values.ndim))
  low, high = (edge(values, axis=axes, keepdims=True) for edge in (np.min, np.max))
  pictures: NDArray[np.float32] = (values - low) / np.maximum(high - low, 1e-9)
  return pictures
