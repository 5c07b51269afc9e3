"""What tells that two clips are the same recording, whatever their files are.

Two steps: the fine power spectrum of a clip is the same wherever in the clip the sound stands and
however loud it is, and finds the few clips that may be the same; the correlation of the samples
then decides. Measured on the 2,000 clips of the Free Spoken Digit Dataset: two takes of a word by
one speaker correlate by 0.93 at most; the same take as MP3 at the lowest quality by 0.965 in 19 of
20 clips, as Vorbis or Opus, with a gain, shifted by 50 ms or with noise 20 dB below by 0.96.
"""

import dataclasses
import hashlib

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from beam_jobs.exploration import sound as sound_lib

RATE_HZ = 8_000
# So much of the beginning is compared, in samples at RATE_HZ.
MAX_SAMPLES = 3 * RATE_HZ
# From this correlation on two clips are one recording.
ALIKE = 0.95

_FFT_SAMPLES = 1 << 15
_BANDS = 448
_LOW_BIN = 400  # 98 Hz: below is rumble, above half of 8 kHz minus the filter's edge is nothing.
_BINS_PER_BAND = 32  # 7.8 Hz


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprint:
  """One clip, for comparing.

  Attributes:
    digest: Of rate and samples: equal for equal samples, whatever lossless format they come from.
    spectrum: float32 [448] of length 1; zeros for silence.
    trace: The beginning of the clip at 8 kHz, int16 with the largest at full scale.
    seconds: Length of the clip.
  """

  digest: bytes
  spectrum: NDArray[np.float32]
  trace: NDArray[np.int16]
  seconds: float

  @property
  def is_silent(self) -> bool:
    """Whether there is nothing to compare: all samples are the same."""
    return not self.trace.any()


def of(sound: sound_lib.Sound) -> Fingerprint:
  """Returns the fingerprint of a clip."""
  mono = sound.mono
  hasher = hashlib.blake2b(digest_size=8)
  hasher.update(f'{sound.sample_rate_hz} {sound.seconds:.6f} '.encode())
  hasher.update(np.ascontiguousarray(mono, '<f4').tobytes())
  trace = _trace(mono, sound.sample_rate_hz)
  return Fingerprint(
    digest=hasher.digest(), spectrum=_spectrum(trace), trace=trace, seconds=sound.seconds
  )


def may_be_equal(first: Fingerprint, second: Fingerprint) -> bool:
  """Whether the lengths of two clips allow them to be one recording."""
  longer, shorter = max(first.seconds, second.seconds), min(first.seconds, second.seconds)
  return longer - shorter <= max(0.25, 0.1 * longer)


def correlation(first: Fingerprint, second: Fingerprint) -> float:
  """Returns the largest normalised cross-correlation over all shifts, in [0, 1]."""
  one, two = (clip.trace.astype(np.float32) for clip in (first, second))
  size = scipy.fft.next_fast_len(len(one) + len(two) - 1, real=True)
  product = scipy.fft.rfft(one, size) * np.conj(scipy.fft.rfft(two, size))
  largest = np.abs(scipy.fft.irfft(product, size)).max()
  norm = np.linalg.norm(one) * np.linalg.norm(two)
  return float(min(1.0, largest / norm)) if norm else 0.0


def _trace(mono: NDArray[np.float32], rate_hz: int) -> NDArray[np.int16]:
  wanted = round(MAX_SAMPLES * rate_hz / RATE_HZ)
  samples = mono[:wanted]
  if rate_hz != RATE_HZ:
    import soxr

    samples = soxr.resample(samples, rate_hz, RATE_HZ, quality='HQ')
  centred = samples - samples.mean() if len(samples) else samples
  largest = np.abs(centred).max() if len(centred) else 0.0
  # Below the step of 24 bits it is the rounding of a constant.
  if largest < 2**-23:
    return np.zeros(len(centred), np.int16)
  return np.rint(centred * (32767 / largest)).astype(np.int16)


def _spectrum(trace: NDArray[np.int16]) -> NDArray[np.float32]:
  power = np.square(np.abs(scipy.fft.rfft(trace.astype(np.float32), _FFT_SAMPLES)))
  bins = power[_LOW_BIN : _LOW_BIN + _BANDS * _BINS_PER_BAND]
  # The fourth root of the power: the loudest partial must not be all that counts.
  bands = bins.reshape(_BANDS, _BINS_PER_BAND).mean(axis=1) ** np.float32(0.25)
  bands -= bands.mean()
  norm = np.linalg.norm(bands)
  return bands / norm if norm else bands
