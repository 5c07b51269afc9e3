"""Filters that fold a spectrum onto the classes of pitch: every C to one value, whatever octave."""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from features.portable import elementary

# Of A4, by ISO 16. Octaves are counted from A0, 27.5 Hz, on.
_A440_HZ = 440.0
_A0_OCTAVES_BELOW = 4

# Octaves far from here weigh less, by a bell curve: high ones hold overtones, low ones bins too far
# apart to tell notes. The numbers are librosa's.
_CENTRE_OCTAVE = 5.0
_OCTAVE_WIDTH = 2.0

# Weights below this are left out: beside the largest value of a frame, 1 after the norm, they are
# below the rounding of float32. Half of the table is, so the product takes half the time.
_LEAST_WEIGHT = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bank:
  """Which filters on which bins.

  Attributes:
    num_chroma: Classes an octave is divided into, a multiple of 12. The first is C.
    fft_samples: Length of the transform.
    sample_rate_hz: Samples per second.
    tuning: By how much of a class A4 is sharper than 440 Hz.
  """

  num_chroma: int
  fft_samples: int
  sample_rate_hz: int
  tuning: float = 0.0

  @property
  def num_bins(self) -> int:
    """Bins of the one-sided spectrum, from 0 Hz to half the sample rate."""
    return self.fft_samples // 2 + 1

  def weights(self) -> NDArray[np.float32]:
    """Each filter a column: read-only float32 [num_bins, num_chroma].

    Source: librosa.filters.chroma with its defaults, after D. Ellis, chroma-ansyn, 2007: a bell
    curve around each class, as wide as the distance of two bins where that is more than a class,
    so that a bin between two classes counts for both.
    """
    return _weights(self)


@functools.lru_cache(maxsize=16)
def _weights(bank: Bank) -> NDArray[np.float32]:
  positions = _positions(bank)  # [num_bins + 1]
  widths = np.maximum(np.diff(positions), 1.0)  # [num_bins]
  positions = positions[:-1]
  distance = positions[:, None] - np.arange(bank.num_chroma)
  half = bank.num_chroma / 2
  distance = np.mod(distance + half, bank.num_chroma) - half  # The way round the octave is shorter.
  weights = elementary.exp(-0.5 * np.square(2 * distance / widths[:, None]))
  weights /= np.sqrt(np.square(weights).sum(axis=1, keepdims=True))
  octaves = positions / bank.num_chroma
  weights *= elementary.exp(-0.5 * np.square((octaves - _CENTRE_OCTAVE) / _OCTAVE_WIDTH))[:, None]
  # Counted from A so far, from C on from here.
  table = np.roll(weights, -3 * (bank.num_chroma // 12), axis=1).astype(np.float32)
  table[table < _LEAST_WEIGHT] = 0.0
  table.flags.writeable = False
  return table


def _positions(bank: Bank) -> NDArray[np.float64]:
  """Place of each bin, and of the one after the last, in classes above A0: float64 [num_bins + 1].

  The bin at 0 Hz has none; it is put one and a half octaves below the next.
  """
  bins_hz = np.arange(1, bank.num_bins + 1) * (bank.sample_rate_hz / bank.fft_samples)
  a4_hz = _A440_HZ * elementary.power(2.0, bank.tuning / bank.num_chroma)
  octaves = elementary.log(bins_hz / a4_hz) / elementary.log(2.0) + _A0_OCTAVES_BELOW
  positions = bank.num_chroma * octaves
  return np.concatenate([positions[:1] - 1.5 * bank.num_chroma, positions])
