"""Removes what lies below or above a frequency: hum, rumble, an offset; or hiss."""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from features.effects import effect
from schemas import errors

MAX_ORDER = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class HighPass:
  """Settings of a filter.

  Attributes:
    hz: Where the level is 3 dB down, below half the sample rate.
    order: The level falls by 6 dB * order per octave beyond, in [1, 12].
  """

  hz: float = 80.0
  order: int = 4

  def __post_init__(self) -> None:
    if not 0 < self.hz < float('inf'):
      raise errors.FeatureError(f'hz must be a positive frequency, such as 80, got {self.hz}.')
    if not 1 <= self.order <= MAX_ORDER:
      raise errors.FeatureError(f'order must be in [1, {MAX_ORDER}], such as 4, got {self.order}.')


@dataclasses.dataclass(frozen=True, kw_only=True)
class LowPass(HighPass):
  """The same settings, for what lies above."""

  hz: float = 3_400.0


def make(kind: str, settings: HighPass, sample_rate_hz: int) -> effect.Filter:
  """Returns a Butterworth filter that is run once, forwards.

  It starts as if the first sample had lasted for ever before, so that an offset of the recording
  makes no thump at its beginning. Computed in 64 bits, in sections of second order.

  Args:
    kind: `high_pass` or `low_pass`.
    settings: Frequency and order.
    sample_rate_hz: Samples per second.

  Raises:
    ConfigError: where hz is not below half the sample rate.
  """
  if not settings.hz < sample_rate_hz / 2:
    raise errors.ConfigError(
      f'effect {kind!r}: hz must be below half the sample rate, {sample_rate_hz / 2:g} Hz at '
      f'{sample_rate_hz} Hz, got {settings.hz:g}. Lower it, or raise the sample rate.'
    )
  # Here, not above: a job without filters never loads the library.
  import scipy.signal

  sections = scipy.signal.butter(
    settings.order, settings.hz, kind.replace('_', ''), fs=sample_rate_hz, output='sos'
  )
  settled = scipy.signal.sosfilt_zi(sections)  # [num_sections, 2], for a signal of ones.

  def apply(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    values = samples.astype(np.float64)
    filtered, _ = scipy.signal.sosfilt(sections, values, zi=settled * values[0])
    out: NDArray[np.float32] = filtered.astype(np.float32)
    return out

  return apply


HIGH_PASS = effect.Effect(settings=HighPass, make=functools.partial(make, 'high_pass'))
LOW_PASS = effect.Effect(settings=LowPass, make=functools.partial(make, 'low_pass'))
