"""Several augmentations, one behind the other, and the text that records what they did."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features import augmentations
from features.augmentations import augmentation, background_noise
from schemas import errors, stable_hash

# What is recorded of a copy that nothing was done to.
NONE = 'none'

# As for what is decoded (decoding/sound_file.py): beyond it the power of a frame could overflow.
MAX_SAMPLE = 1e9


def noise_folder(options: Sequence[str]) -> str | None:
  """Returns where the noise of a chain is: a folder, '' for the corpus's own, None for no need.

  Raises:
    ConfigError: for options that do not parse, or two folders.
  """
  found = dict.fromkeys(
    settings.folder
    for name, settings in map(augmentations.parse, options)
    if augmentations.AUGMENTATIONS[name].needs_noise
  )
  if len(found) > 1:
    raise errors.ConfigError(
      f'One folder of noise is read per job, got {", ".join(map(repr, found))} '
      "('' is the noise of the corpus). Put the recordings into one folder."
    )
  return next(iter(found), None)


def lacks_noise(done: str) -> bool:
  """Whether noise was to be mixed in and there was none, by what Chain.apply says it did."""
  name = next(name for name, one in augmentations.AUGMENTATIONS.items() if one.needs_noise)
  return _text(name, background_noise.NO_NOISE) in done.split('+')


class Chain:
  """Augmentations in the order given; made once, holds only constants.

  Args:
    options: Each as `name:key=value,...` of the table AUGMENTATIONS.
    sample_rate_hz: Samples per second of what will be given.
    noise: Where noise comes from; may be None where noise_folder(options) is None.

  Raises:
    ConfigError: for options that do not parse, or that need noise where there is none.
  """

  def __init__(
    self,
    options: Sequence[str],
    sample_rate_hz: int,
    noise: augmentation.NoiseSource | None = None,
  ) -> None:
    self._steps = [(name, settings) for name, settings in map(augmentations.parse, options)]
    self._sample_rate_hz = sample_rate_hz
    self._noise = noise
    if noise is None and noise_folder(options) is not None:
      raise errors.ConfigError(
        f'{", ".join(options)} needs recordings of noise and there are none. Name a folder of '
        'them (folder=...), or use a source that has its own.'
      )

  def apply(
    self, samples: NDArray[np.float32], *, clip_id: str, copy: int, seed: int
  ) -> tuple[NDArray[np.float32], str]:
    """Returns a changed copy and what was done, such as `speed:rate=1.05+gain:gain_db=3.2`.

    All that is drawn follows from clip_id, copy, seed and the place in the chain, and nothing else:
    the same bytes in any process. Louder samples than [-1, 1] are left so, as those of a float file
    are: what is stored as int16 saturates, a later, quieter step finds them whole.

    Args:
      samples: float32 [num_samples], finite, at least one sample; not changed.
      clip_id: Name of the clip.
      copy: Number of the copy.
      seed: Of the data set.

    Returns:
      Finite samples, float32 [another num_samples], at least one; and the augmentations that were
      applied with the values drawn, joined by `+`, `none` where there is none.

    Raises:
      FeatureError: for samples of another type or shape.
    """
    if samples.dtype != np.float32 or samples.ndim != 1 or not len(samples):
      raise errors.FeatureError(
        'Wanted samples to augment as float32 [num_samples], at least one, '
        f'got {samples.dtype} {samples.shape}.'
      )
    done = []
    samples = samples.copy()
    for place, (name, settings) in enumerate(self._steps):
      draws = augmentation.Draws(_generator(f'{seed}/{copy}/{place}/{clip_id}'), self._noise)
      # Drawn in any case: the values that follow do not depend on the probability.
      if draws.generator.random() >= settings.probability:
        continue
      member = augmentations.AUGMENTATIONS[name]
      samples, applied = member.apply(samples, self._sample_rate_hz, settings, draws)
      samples = np.clip(samples, -MAX_SAMPLE, MAX_SAMPLE)
      done.append(_text(name, applied))
    return samples, '+'.join(done) or NONE


def _generator(text: str) -> np.random.Generator:
  key = int.from_bytes(stable_hash.digest(text, salt='augmentation'), 'big')
  return np.random.Generator(np.random.Philox(key=key))


def _text(name: str, applied: augmentation.Applied) -> str:
  values = ','.join(f'{key}={value!r}' for key, value in applied.items())
  return f'{name}:{values}' if values else name
