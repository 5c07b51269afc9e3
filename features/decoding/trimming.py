"""Finds the silence at both ends of a recording."""

import numpy as np
from numpy.typing import NDArray

from features.portable import elementary

# librosa.effects.trim measures the level in windows of 2048 samples, 512 apart, at any rate: 93 and
# 23 ms at its own 22,050 Hz, but 256 and 64 ms at 8,000 Hz, where half a word would count as
# silence's neighbour. Here they are 93 and 23 ms at every rate.
_WINDOW_S = 2048 / 22_050
_HOP_S = 512 / 22_050


def bounds(samples: NDArray[np.float32], sample_rate_hz: int, trim_db: float) -> tuple[int, int]:
  """Returns where the sound begins and ends, in samples: samples[begin:end] is what is kept.

  Sound is where the RMS level of a window is above that of the loudest window less trim_db. Kept is
  from the centre of the first such window to one hop behind the centre of the last. A recording
  that is silent throughout has no loudest part and is kept whole.

  Source: librosa.effects.trim (librosa 0.11), whose result this is with these lengths of window and
  hop; except that levels under -100 dB, which librosa takes for -100 dB, are what they are.

  Args:
    samples: Finite, float32 [num_samples], at least one.
    sample_rate_hz: Samples per second.
    trim_db: How far below the loudest part silence begins, in dB, positive.
  """
  window, hop = window_and_hop(sample_rate_hz)
  power = _window_powers(samples, window, hop)  # [num_windows]
  loud = np.flatnonzero(power > power.max() * elementary.power(10, -trim_db / 10))
  if not len(loud):
    return 0, len(samples)
  return int(loud[0]) * hop, min(len(samples), (int(loud[-1]) + 1) * hop)


def window_and_hop(sample_rate_hz: int) -> tuple[int, int]:
  """Returns the length of a window and the distance between two, in samples."""
  return round(_WINDOW_S * sample_rate_hz), round(_HOP_S * sample_rate_hz)


def _window_powers(samples: NDArray[np.float32], window: int, hop: int) -> NDArray[np.float64]:
  """Sums of squares of windows centred on multiples of hop, with silence around the recording."""
  sums = np.zeros(len(samples) + 1)
  np.cumsum(np.square(samples, dtype=np.float64), out=sums[1:])
  odd = window % 2  # An odd window is centred with one sample less before.
  first = np.arange(0, len(samples) + 1 - odd, hop) - window // 2
  last = np.minimum(first + window, len(samples))
  powers: NDArray[np.float64] = sums[last] - sums[np.maximum(first, 0)]
  return powers
