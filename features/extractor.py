"""All features of a data set at once, from a batch of clips."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import features
from features import feature, storage
from schemas import audio as audio_schema
from schemas import errors, record


class Extractor:
  """Computes the features of `specs`; can be pickled, and makes its tables on first use.

  Attributes:
    specs: What is computed, as the manifest holds it.
    audio: Rate and length of the clips.
  """

  def __init__(self, specs: Sequence[record.FeatureSpec], audio: audio_schema.AudioSpec) -> None:
    self.specs = tuple(specs)
    self.audio = audio
    self._kernels: dict[str, feature.Kernel] = {}
    names = [spec.name for spec in self.specs]
    if len(set(names)) != len(names):
      raise errors.FeatureError(f'Each feature can be computed once, got {", ".join(names)}.')
    for spec in self.specs:
      shape = features.FEATURES[spec.name].shape(features.settings_of(spec), audio)
      if shape != spec.shape:
        raise errors.FeatureError(
          f'Feature {spec.name!r} has the shape {spec.shape}, but its settings give {shape} at '
          f'{audio.sample_rate_hz} Hz and {audio.clip_s} s.'
        )

  def compute(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Returns the features by name, float32 [clips, *shape], before conversion to storage.

    Args:
      batch: Finite samples in [-1, 1], float32 [clips, clip_samples]; not changed.

    Raises:
      FeatureError: for a batch of another shape or dtype.
    """
    wanted = self.audio.clip_samples
    if batch.ndim != 2 or batch.shape[1] != wanted or batch.dtype != np.float32:
      raise errors.FeatureError(
        f'Expected samples as float32 [clips, {wanted}], got {batch.dtype} {list(batch.shape)}.'
      )
    if not self._kernels:
      self._kernels = {spec.name: self._kernel(spec) for spec in self.specs}
    return {name: kernel(batch) for name, kernel in self._kernels.items()}

  def compute_stored(self, batch: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Returns the features by name as they are stored: [clips, *shape] of the spec's dtype."""
    arrays = self.compute(batch)
    return {spec.name: storage.to_stored(arrays[spec.name], spec.dtype) for spec in self.specs}

  def _kernel(self, spec: record.FeatureSpec) -> feature.Kernel:
    return features.FEATURES[spec.name].kernel(features.settings_of(spec), self.audio)

  def __getstate__(self) -> dict[str, Any]:
    # Kernels are closures over tables: they cannot be pickled and are cheap to make again.
    return {**self.__dict__, '_kernels': {}}
