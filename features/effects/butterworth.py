"""Removes what lies below or above a frequency: hum, rumble, an offset; or hiss."""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from features.effects import effect
from features.portable import elementary
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

  sections = _sections(kind, settings.order, settings.hz / sample_rate_hz)
  settled = _settled(kind, sections)

  def apply(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    values = samples.astype(np.float64)
    filtered, _ = scipy.signal.sosfilt(sections, values, zi=settled * values[0])
    out: NDArray[np.float32] = filtered.astype(np.float32)
    return out

  return apply


def _sections(kind: str, order: int, frequency: float) -> NDArray[np.float64]:
  """Sections b0 b1 b2 1 a1 a2, float64 [sections, 6], as scipy.signal.butter(output='sos').

  Each pair of poles is a section, the most damped first. The bilinear transform of the analogue
  filter is written out, without products of complex numbers, whose bits depend on the processor.

  Source: S. Butterworth, On the theory of filter amplifiers, 1930.
  """
  angle = np.pi * frequency
  k = float(elementary.sin(angle) / elementary.cos(angle))
  sign = 1.0 if kind == 'low_pass' else -1.0
  scale = k if kind == 'low_pass' else 1.0
  rows = []
  if order % 2:
    rows.append([scale / (1 + k), sign * scale / (1 + k), 0.0, 1.0, (k - 1) / (k + 1), 0.0])
  for pair in reversed(range(order // 2)):
    damping = 2 * float(elementary.sin(np.pi * (2 * pair + 1) / (2 * order)))
    whole = 1 + damping * k + k * k
    b = scale * scale / whole
    rows.append(
      [b, 2 * sign * b, b, 1.0, 2 * (k * k - 1) / whole, (1 - damping * k + k * k) / whole]
    )
  return np.array(rows)


def _settled(kind: str, sections: NDArray[np.float64]) -> NDArray[np.float64]:
  """What the sections hold after ones for ever, [sections, 2]: scipy.signal.sosfilt_zi.

  A low-pass lets the ones through every section, a high-pass stops them in the first.
  """
  states = np.zeros((len(sections), 2))
  for index, (_, b1, b2, _, a1, a2) in enumerate(sections):
    if kind == 'low_pass':
      states[index] = b1 - a1 + b2 - a2, b2 - a2
    elif not index:
      states[index] = b1 + b2, b2
  return states


HIGH_PASS = effect.Effect(
  settings=HighPass, make=functools.partial(make, 'high_pass'), is_endless=True
)
LOW_PASS = effect.Effect(
  settings=LowPass, make=functools.partial(make, 'low_pass'), is_endless=True
)
