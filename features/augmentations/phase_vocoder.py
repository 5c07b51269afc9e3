"""The phase vocoder: another duration at the same pitch."""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from features.spectra import frames as frames_lib

# Hops per window: three quarters of a window overlap.
HOPS = 4

# Frames that are made at once: they stay in a core's cache, and memory does not grow with the
# length of the recording. Measured on 1 s at 16 kHz: 4 frames take 1.15 times as long, 256 1.35.
BLOCK_FRAMES = 16

# Least window, in seconds: two periods of a voice of 40 Hz, so that its harmonics are told apart.
MIN_WINDOW_S = 0.05


def window_samples(sample_rate_hz: int) -> int:
  """Returns the power of two that is at least MIN_WINDOW_S: 1024 at 16 kHz (64 ms)."""
  return 1 << (round(sample_rate_hz * MIN_WINDOW_S) - 1).bit_length()


def stretched(
  samples: NDArray[np.float32], rate: float, *, window_samples: int
) -> NDArray[np.float32]:
  """Returns `samples` at `rate` times their speed with the pitch as it was.

  Frame t of the result has the magnitudes of the input at frame t * rate, linear between frames.
  Its phases go on from frame t - 1 as the input's do in one hop, bin by bin, so that a steady tone
  stays steady; slowed down to half its speed it becomes 1.2 dB quieter, since the bins beside its
  own drift against it. Frames behind the end of the input are silent.

  Source: D. P. W. Ellis, "A phase vocoder in Matlab", 2002; librosa.effects.time_stretch with its
  defaults (periodic Hann window, hop of a quarter, centred frames, zeros beyond the ends).

  Args:
    samples: float32 [num_samples], at least one.
    rate: 2 takes half as long.
    window_samples: Length of the window, a multiple of 4.

  Returns:
    float32 [round(num_samples / rate)], at least one.
  """
  hop_samples = window_samples // HOPS
  times = np.arange(0, 1 + len(samples) // hop_samples, rate)  # In frames of the input.
  total = np.zeros((len(times) + HOPS - 1, hop_samples), np.float32)
  weight = np.zeros_like(total)
  window = frames_lib.hann_window(window_samples)
  start = 0
  for spectrum in _spectra(samples, times, window):
    frames = scipy.fft.irfft(spectrum, n=window_samples, axis=1) * window
    _overlap_add(total, start, frames)
    _overlap_add(weight, start, np.broadcast_to(np.square(window), frames.shape))
    start += len(frames)
  np.divide(total, weight, out=total, where=weight > np.finfo(np.float32).tiny)
  num_samples = max(1, round(len(samples) / rate))
  # The first frame is centred on the first sample.
  found = total.reshape(-1)[window_samples // 2 :][:num_samples]
  return np.pad(found, (0, num_samples - len(found)))


def _spectra(
  samples: NDArray[np.float32], times: NDArray[np.float64], window: NDArray[np.float32]
) -> Iterator[NDArray[np.complex64]]:
  """Yields blocks of the result's frames, complex64 [frames, num_bins]."""
  hop_samples = len(window) // HOPS
  num_frames = 1 + len(samples) // hop_samples
  padded = np.pad(samples, (len(window) // 2, len(window)))
  views = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop_samples]
  phase = None
  for start in range(0, len(times), BLOCK_FRAMES):
    block = times[start : start + BLOCK_FRAMES]
    before = block.astype(np.int64)
    first, last = before[0], before[-1] + 1
    # In double precision, with a window in single: so what stands in a bin that has no sound of its
    # own is the rounding of the window, the same everywhere, not that of one machine's transform.
    spectrum = scipy.fft.rfft(views[first : last + 1] * window.astype(np.float64), axis=1)
    spectrum[max(0, num_frames - first) :] = 0
    magnitude, direction = _polar(spectrum)
    before -= first
    # One hop of the input turns bin k by angle(X[t + 1, k]) - angle(X[t, k]): a product of
    # complex numbers of length 1, in double precision, since errors add up over the frames.
    turns = direction[before + 1] * direction[before].conj()
    phases = np.cumprod(np.concatenate([direction[:1] if phase is None else phase, turns]), axis=0)
    phase = phases[-1:]
    share = (block - before - first)[:, None]
    between = (1 - share) * magnitude[before] + share * magnitude[before + 1]
    yield (between * phases[:-1]).astype(np.complex64)


def _polar(
  values: NDArray[np.complex128],
) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
  """Returns magnitudes, and the values divided by them; 1 where there is nothing to divide."""
  magnitude = np.abs(values)
  direction = np.ones_like(values)
  np.divide(values, magnitude, out=direction, where=magnitude > 0)
  return magnitude, direction


def _overlap_add(total: NDArray[np.float32], start: int, frames: NDArray[np.float32]) -> None:
  """Adds frame i to `total`, which is cut into hops, from hop start + i on."""
  parts = frames.reshape(len(frames), HOPS, -1)
  for index in range(HOPS):
    total[start + index : start + index + len(frames)] += parts[:, index]
