"""The filter behind high_pass and low_pass."""

import numpy as np
from numpy.typing import NDArray

from features.effects import effect
from schemas import errors

MAX_ORDER = 12


def check(hz: float, order: int) -> None:
  """Raises FeatureError for settings that no rate could make sense of."""
  if not 0 < hz < float('inf'):
    raise errors.FeatureError(f'hz must be a positive frequency, such as 80, got {hz}.')
  if not 1 <= order <= MAX_ORDER:
    raise errors.FeatureError(f'order must be in [1, {MAX_ORDER}], such as 4, got {order}.')


def make(kind: str, hz: float, order: int, sample_rate_hz: int) -> effect.Filter:
  """Returns a Butterworth filter that is run once, forwards.

  It starts as if the first sample had lasted for ever before, so that an offset of the recording
  makes no thump at its beginning. Computed in 64 bits, in sections of second order.

  Args:
    kind: `highpass` or `lowpass`.
    hz: Where the level is 3 dB down.
    order: Beyond `hz` the level falls by 6 dB * order per octave.
    sample_rate_hz: Samples per second.

  Raises:
    ConfigError: where hz is not below half the sample rate.
  """
  if not hz < sample_rate_hz / 2:
    name = {'highpass': 'high_pass', 'lowpass': 'low_pass'}[kind]
    raise errors.ConfigError(
      f'effect {name!r}: hz must be below half the sample rate, {sample_rate_hz / 2:g} Hz at '
      f'{sample_rate_hz} Hz, got {hz:g}. Lower it, or raise the sample rate.'
    )
  # Here, not above: a job without filters never loads the library.
  import scipy.signal

  sections = scipy.signal.butter(order, hz, kind, fs=sample_rate_hz, output='sos')
  settled = scipy.signal.sosfilt_zi(sections)  # [num_sections, 2], for a signal of ones.

  def apply(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    values = samples.astype(np.float64)
    filtered, _ = scipy.signal.sosfilt(sections, values, zi=settled * values[0])
    out: NDArray[np.float32] = filtered.astype(np.float32)
    return out

  return apply
