"""All features of a data set at once, from a batch of clips."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import features
from features import feature, stored_form
from schemas import audio as audio_schema
from schemas import errors, record


class Extractor:
  """Computes the features of `specs`; can be pickled, and makes its tables on first use.

  Attributes:
    specs: What is computed, as the manifest holds it.
    audio: Rate and length of the clips; None for pictures.
    min_samples: Samples to which a shorter batch is padded with zeros behind, where each clip has
      a length of its own: so that every feature has at least one frame, and all arrays of a
      record are of the same clip.
  """

  def __init__(
    self, specs: Sequence[record.FeatureSpec], audio: audio_schema.AudioSpec | None
  ) -> None:
    self.specs = tuple(specs)
    self.audio = audio
    self._kernels: dict[str, feature.Kernel] = {}
    names = [spec.name for spec in self.specs]
    if len(set(names)) != len(names):
      raise errors.FeatureError(f'Each feature can be computed once, got {", ".join(names)}.')
    for spec in self.specs:
      shape = features.spec(spec.name, features.settings_of(spec), audio).shape
      if shape != spec.shape:
        raise errors.FeatureError(
          f'Feature {spec.name!r} has the shape {spec.shape}, but its settings give {shape}'
          + (f' at {audio.sample_rate_hz} Hz and {audio.clip_s} s.' if audio else '.')
        )
    self.min_samples = max((self._min_samples_of(spec) for spec in self.specs), default=1)

  def compute(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Returns the features by name, float32 [clips, *shape], before conversion to storage.

    Args:
      batch: Finite samples in [-1, 1], float32 [clips, clip_samples]; where each clip has a length
        of its own, [clips, num_samples] of any one length. Pictures: float32
        [clips, height, width, channels], from 0 to 255. Not changed.

    Raises:
      FeatureError: for a batch of another shape or dtype.
    """
    self._check(batch)
    if self.audio and self.audio.is_variable and batch.shape[1] < self.min_samples:
      batch = np.pad(batch, ((0, 0), (0, self.min_samples - batch.shape[1])))
    if not self._kernels:
      self._kernels = {spec.name: self._kernel(spec) for spec in self.specs}
    return {name: kernel(batch) for name, kernel in self._kernels.items()}

  def compute_stored(self, batch: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Returns the features by name as they are stored: [clips, *shape] of the spec's dtype."""
    arrays = self.compute(batch)
    return {spec.name: stored_form.to_stored(arrays[spec.name], spec.dtype) for spec in self.specs}

  def _check(self, batch: NDArray[np.float32]) -> None:
    """Raises FeatureError for a batch that is not as `compute` wants it."""
    wanted = self._wanted_shape()
    fits = len(batch.shape[1:]) == len(wanted) and all(
      size in (None, got) for size, got in zip(wanted, batch.shape[1:], strict=True)
    )
    if not fits or batch.dtype != np.float32:
      axes = ', '.join(['clips', *('any' if size is None else str(size) for size in wanted)])
      what = 'samples' if self.audio else 'pictures'
      raise errors.FeatureError(
        f'Expected {what} as float32 [{axes}], got {batch.dtype} {list(batch.shape)}.'
      )

  def _wanted_shape(self) -> tuple[int | None, ...]:
    """Shape of one clip of a batch; None where any length will do."""
    if self.audio is None:
      return self.specs[0].shape if self.specs else (None, None, None)
    return (None if self.audio.is_variable else self.audio.clip_samples,)

  def _min_samples_of(self, spec: record.FeatureSpec) -> int:
    return features.FEATURES[spec.name].min_samples(features.settings_of(spec), self.audio)

  def _kernel(self, spec: record.FeatureSpec) -> feature.Kernel:
    return features.FEATURES[spec.name].kernel(features.settings_of(spec), self.audio)

  def __getstate__(self) -> dict[str, Any]:
    # Kernels are closures over tables: they cannot be pickled and are cheap to make again.
    return {**self.__dict__, '_kernels': {}}
