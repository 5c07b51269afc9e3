"""Triangular mel filters, on the two scales in use."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from features.portable import elementary
from schemas import errors

SCALES = ('htk', 'slaney')

# Slaney's scale is linear (200/3 Hz a mel) up to 1 kHz and logarithmic above.
_SLANEY_HZ_PER_MEL = 200 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = float(elementary.log(6.4)) / 27

# How far an error looks for a transform that is long enough.
_LONGEST_ADVICE_SAMPLES = 1 << 15


def hz_to_mel(hz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
  """Mels of frequencies in Hz, float64 of the same shape.

  Source: htk: 1127 ln(1 + f / 700), The HTK Book, section 5.4. slaney: M. Slaney, Auditory
  Toolbox, Technical Report 1998-010, Interval Research.
  """
  if scale == 'htk':
    return 1127.0 * elementary.log(1.0 + hz / 700.0)
  logarithmic = (
    elementary.log(np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
  )
  return np.where(hz < _SLANEY_BREAK_HZ, hz / _SLANEY_HZ_PER_MEL, _SLANEY_BREAK_MEL + logarithmic)


def mel_to_hz(mels: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
  """Frequencies in Hz of mels: the inverse of hz_to_mel, float64 of the same shape."""
  if scale == 'htk':
    return 700.0 * (elementary.exp(mels / 1127.0) - 1.0)
  above = np.maximum(mels - _SLANEY_BREAK_MEL, 0.0)
  logarithmic = _SLANEY_BREAK_HZ * elementary.exp(_SLANEY_LOG_STEP * above)
  return np.where(mels < _SLANEY_BREAK_MEL, mels * _SLANEY_HZ_PER_MEL, logarithmic)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bank:
  """Which filters on which bins.

  Attributes:
    num_mels: How many filters.
    fft_samples: Length of the transform.
    sample_rate_hz: Samples per second.
    low_hz: Lower edge of the lowest filter, in Hz.
    high_hz: Upper edge of the highest filter, in Hz, at most half the sample rate.
    scale: One of SCALES.
  """

  num_mels: int
  fft_samples: int
  sample_rate_hz: int
  low_hz: float
  high_hz: float
  scale: str = 'htk'

  @property
  def num_bins(self) -> int:
    """Bins of the one-sided spectrum, from 0 Hz to half the sample rate."""
    return self.fft_samples // 2 + 1

  def weights(self) -> NDArray[np.float32]:
    """Each filter a column: read-only float32 [num_bins, num_mels].

    The edges are num_mels + 2 points, equally far from one another in mels. `htk`: triangles
    over mels with a peak of 1, as in tf.signal.linear_to_mel_weight_matrix. `slaney`: triangles
    over Hz with an area of 1, as in librosa.filters.mel(htk=False, norm='slaney').
    """
    return _weights(self)

  def peaks_hz(self) -> NDArray[np.float64]:
    """The frequency at the peak of each filter, float64 [num_mels]."""
    return mel_to_hz(self.edges_mel()[1:-1], self.scale)

  def edges_mel(self) -> NDArray[np.float64]:
    """Where the filters begin, peak and end, equally far apart in mels: float64 [num_mels + 2]."""
    low_mel, high_mel = hz_to_mel(np.array([self.low_hz, self.high_hz]), self.scale)
    return np.linspace(low_mel, high_mel, self.num_mels + 2, dtype=np.float64)

  def num_empty(self) -> int:
    """Filters that lie between two bins, so that nothing ever reaches them."""
    # More filters than bins cannot all be filled: no need to build a huge table to see that.
    if self.num_mels > self.num_bins:
      return self.num_mels
    return int((self.weights().max(axis=0) == 0).sum())


@functools.lru_cache(maxsize=32)
def _weights(bank: Bank) -> NDArray[np.float32]:
  bins_hz = np.arange(bank.num_bins, dtype=np.float64) * (bank.sample_rate_hz / bank.fft_samples)
  edges = bank.edges_mel()
  if bank.scale == 'htk':
    weights = _triangles(hz_to_mel(bins_hz, 'htk'), edges)
  else:
    edges_hz = mel_to_hz(edges, bank.scale)
    weights = _triangles(bins_hz, edges_hz) * (2.0 / (edges_hz[2:] - edges_hz[:-2]))
  table = weights.astype(np.float32)
  table.flags.writeable = False
  return table


def _triangles(points: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
  """Heights at `points` of triangles between `edges`: [points, edges - 2], 1 at the peaks."""
  lower, peak, upper = edges[:-2], edges[1:-1], edges[2:]
  rising = (points[:, None] - lower) / (peak - lower)
  falling = (upper - points[:, None]) / (upper - peak)
  return np.maximum(0.0, np.minimum(rising, falling))


def check_no_filter_empty(bank: Bank) -> None:
  """Raises FeatureError, with what would fit, where a filter of `bank` is empty."""
  num_empty = bank.num_empty()
  if not num_empty:
    return
  remedies = [
    *(f'num_mels={n} or fewer' for n in _fewer_mels(bank)),
    *(f'fft_samples={n}' for n in _longer_transform(bank)),
    'a wider band of low_hz to high_hz',
  ]
  raise errors.FeatureError(
    f'{bank.num_mels} mel filters from {bank.low_hz:g} to {bank.high_hz:g} Hz are too many for '
    f'bins {bank.sample_rate_hz / bank.fft_samples:g} Hz apart: {num_empty} of them would lie '
    f'between two bins and always be silent. Use {remedies[0]}, or {remedies[1]}.'
  )


def _fewer_mels(bank: Bank) -> Iterator[int]:
  """Yields the largest number of filters that fit, if there is one."""
  for num_mels in range(min(bank.num_mels, bank.num_bins) - 1, 0, -1):
    if not dataclasses.replace(bank, num_mels=num_mels).num_empty():
      yield num_mels
      return


def _longer_transform(bank: Bank) -> Iterator[int]:
  """Yields the smallest power of two for which every filter sees a bin, if there is one."""
  fft_samples = 1 << bank.fft_samples.bit_length()
  while fft_samples <= _LONGEST_ADVICE_SAMPLES:
    if not dataclasses.replace(bank, fft_samples=fft_samples).num_empty():
      yield fft_samples
      return
    fft_samples *= 2
