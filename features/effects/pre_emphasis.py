"""Raises high frequencies, as a voice loses them."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.effects import effect
from schemas import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreEmphasis:
  """Settings of pre-emphasis.

  Attributes:
    coefficient: Share of the sample before that is taken off, in [0, 1].
  """

  coefficient: float = 0.97

  def __post_init__(self) -> None:
    if not 0 <= self.coefficient <= 1:
      raise errors.FeatureError(
        f'coefficient must be in [0, 1], such as 0.97, got {self.coefficient}.'
      )


def make(settings: PreEmphasis, sample_rate_hz: int) -> effect.Filter:
  """Returns the filter out[n] = in[n] - coefficient * in[n - 1], with in[-1] = in[0].

  Source: Young et al., The HTK Book 3.4 (2006), section 5.2, whose first sample it is too:
  (1 - coefficient) * in[0].
  """
  del sample_rate_hz
  coefficient = np.float32(settings.coefficient)

  def apply(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    out = samples - coefficient * np.concatenate([samples[:1], samples[:-1]])
    return out.astype(np.float32, copy=False)

  return apply


EFFECT = effect.Effect(settings=PreEmphasis, make=make)
