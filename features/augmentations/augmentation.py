"""What a member of the augmentation family is: settings, and what is done to the samples."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import errors, limits

# From a generator and a number of samples to noise, float32 [num_samples]. The generator is all
# that it may take randomness from.
NoiseSource = Callable[[np.random.Generator, int], NDArray[np.float32]]

# Drawn values by name, such as {'gain_db': 3.21}: enough to do the same again.
Applied = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Draws:
  """All that is random in one augmentation of one copy of one clip.

  Attributes:
    generator: Where every draw comes from.
    noise_source: Where recorded noise comes from, if there is any.
  """

  generator: np.random.Generator
  noise_source: NoiseSource | None = None

  def uniform(self, low: float, high: float, *, decimals: int) -> float:
    """Returns a number in [low, high], rounded, so that its text is exactly what is applied."""
    drawn = round(low + (high - low) * self.generator.random(), decimals)
    return min(max(drawn, low), high) + 0.0  # Not -0.0.

  def noise(self, num_samples: int) -> NDArray[np.float32]:
    """Returns recorded noise, float32 [num_samples].

    Raises:
      FeatureError: where there is none, or it is not of this type and shape.
    """
    if self.noise_source is None:
      raise errors.FeatureError('Wanted recorded noise, but this chain was made without any.')
    noise = self.noise_source(self.generator, num_samples)
    if noise.dtype != np.float32 or noise.shape != (num_samples,):
      raise errors.FeatureError(
        f'Wanted noise as float32 ({num_samples},), got {noise.dtype} {noise.shape}. '
        'Correct the source of the noise.'
      )
    return noise


# Samples [num_samples], their rate in Hz, settings, draws -> samples and what was drawn.
Apply = Callable[[NDArray[np.float32], int, Any, Draws], tuple[NDArray[np.float32], Applied]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(limits.Limited):
  """What every augmentation can be told.

  Attributes:
    probability: Share of the copies that it is applied to, in [0, 1].
  """

  LIMITS = {'probability': (0.0, 1.0)}

  probability: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
  """One kind of augmentation: a line in the table AUGMENTATIONS.

  Attributes:
    settings: Frozen, keyword-only dataclass of int, float, str and bool fields; its field
      `probability` is looked at by the chain.
    apply: Returns new samples, float32 of any length from 1 on, and the drawn values. It takes
      randomness from its draws only and does not change its input, which is finite and has at least
      one sample.
    identity: Settings under which a clip stays as it is, within 1e-4 of its peak (80 dB below).
    needs_noise: Whether it draws recorded noise. Its settings then have a field `folder`: where
      the noise is, or nothing for the corpus's own.
  """

  settings: type
  apply: Apply
  identity: Mapping[str, float]
  needs_noise: bool = False
