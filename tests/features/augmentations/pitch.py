"""The frequency of a tone."""

import numpy as np
from numpy.typing import NDArray


def of(samples: NDArray[np.float32], *, sample_rate_hz: int) -> float:
  """Returns the strongest frequency in Hz, to a small part of a bin.

  Source: J. O. Smith, "Spectral Audio Signal Processing", quadratic interpolation of the logarithm
  of the peak.
  """
  spectrum = np.log(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) + 1e-12)
  peak = int(spectrum[1:-1].argmax()) + 1
  left, middle, right = spectrum[peak - 1 : peak + 2]
  offset = 0.5 * (left - right) / (left - 2 * middle + right)
  return (peak + offset) * sample_rate_hz / len(samples)
