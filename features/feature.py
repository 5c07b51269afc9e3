"""What a member of the feature family is: settings, and the NumPy face with its tables."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import medium as media

# Samples [clips, num_samples] (or pictures [clips, height, width, channels]) in, features
# [clips, *shape] out. num_samples is AudioSpec.clip_samples, or any number from the feature's
# min_samples on where each clip has a length of its own.
Kernel = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
  """One kind of feature: a line in the table FEATURES.

  Attributes:
    settings: Frozen, keyword-only dataclass of int, float, str and bool fields; its field `dtype`
      says how the array is stored.
    shape: Shape of one clip's array, from settings and AudioSpec (None for pictures);
      FeatureError where they do not fit. The first axis is None where it follows the clip's length.
    kernel: Makes the tables once and returns the NumPy face. A clip's result depends neither on
      the batch it stands in nor on the number of BLAS threads, to the last bit, and the batch is
      not changed.
    min_samples: Samples of the shortest clip that gives anything; where clips have lengths of
      their own, shorter ones are padded to it.
    medium: What it is computed from: one of schemas.medium.MEDIA.
    has_twin: Whether a model can compute it: features.keras_twins has that face.
    bins_hz: From settings and AudioSpec to the frequency of each bin of its frames, rising, float64
      [bins]; None where it has no frames, or bins are no frequencies.
  """

  settings: type
  shape: Callable[[Any, Any], tuple[int | None, ...]]
  kernel: Callable[[Any, Any], Kernel]
  min_samples: Callable[[Any, Any], int] = lambda settings, spec: 1
  medium: str = media.AUDIO
  has_twin: bool = False
  bins_hz: Callable[[Any, Any], NDArray[np.float64]] | None = None
