"""Any part of a recording at another rate, the same as that part of the resampled whole."""

import math

import numpy as np
from numpy.typing import NDArray

from features.decoding import recording

# What the resampler may look ahead and back, in frames of the lower of the two rates. Measured with
# soxr 1.1 (HQ) on ten pairs of rates: from 800 on the clip is, to the last bit, that of the whole.
RESAMPLER_LOOKAHEAD = 2048


def num_resampled(num_frames: int, from_hz: int, to_hz: int) -> int:
  """Returns how many samples the resampler makes of so many frames: rounded, halves up."""
  return (2 * num_frames * to_hz + from_hz) // (2 * from_hz)


def read(
  source: recording.Recording, sample_rate_hz: int, begin: int, end: int
) -> NDArray[np.float32]:
  """Returns samples begin to end of the recording at another rate, float32 [end - begin].

  Fewer where the recording ends before. Read are only the frames that the samples depend on, from
  one on that lies on the grid of both rates, so that the samples stand where those of the whole do.

  Raises:
    ClipError: where what the header promises cannot be decoded.
  """
  from_hz = source.sample_rate_hz
  if from_hz == sample_rate_hz:
    return source.read(begin, end)
  # Here, not above: a corpus that has the wanted rate never loads the library.
  import soxr

  ratio = from_hz / sample_rate_hz
  lookahead = math.ceil(RESAMPLER_LOOKAHEAD * max(1.0, ratio))
  common = math.gcd(from_hz, sample_rate_hz)
  num_steps = max(0, math.floor(begin * ratio) - lookahead) // (from_hz // common)
  skipped = num_steps * (sample_rate_hz // common)
  frames = source.read(num_steps * (from_hz // common), math.ceil(end * ratio) + lookahead)
  resampled: NDArray[np.float32] = soxr.resample(frames, from_hz, sample_rate_hz, quality='HQ')
  return resampled[begin - skipped : end - skipped]
