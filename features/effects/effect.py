"""What a member of the effect family is."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Samples of one clip in, float32 [num_samples] with at least one; as many out, and a new array.
Filter = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effect:
  """One kind of effect: a line in the table EFFECTS.

  Attributes:
    settings: Frozen, keyword-only dataclass of int, float, str and bool fields.
    make: From settings and the sample rate in Hz to the filter, with its tables made; ConfigError
      where the two do not fit. A filter gives finite samples for finite ones and silence for
      silence, and knows nothing of the clips before.
    is_endless: Whether a sample goes into all that follow it, so that a model computes it for
      clips of one length only (features/effect_twins.py).
  """

  settings: type
  make: Callable[[Any, int], Filter]
  is_endless: bool = False
