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
    magnitude, directions = _polar(spectrum)
    before -= first
    phases = _phases(directions[:, 0] if phase is None else phase, directions, before)
    phase = phases[-1]
    share = (block - before - first)[:, None]
    between = (1 - share) * magnitude[before] + share * magnitude[before + 1]
    parts = np.empty((*between.shape, 2), np.float32)
    np.multiply(between, phases[:-1, 0], out=parts[..., 0], casting='same_kind')
    np.multiply(between, phases[:-1, 1], out=parts[..., 1], casting='same_kind')
    yield parts.view(np.complex64)[..., 0]


def _phases(
  phase: NDArray[np.float64], directions: NDArray[np.float64], before: NDArray[np.int64]
) -> NDArray[np.float64]:
  """Phases of the result's frames, and that of the next: [frames + 1, 2, num_bins].

  One hop of the input turns bin k by angle(X[t + 1, k]) - angle(X[t, k]): a product of complex
  numbers of length 1, in double precision, since errors add up over the frames. It is written out
  in real and imaginary parts, since NumPy's product of complex numbers has other bits on other
  processors.

  Args:
    phase: That of the first frame, as a direction: [2, num_bins].
    directions: Those of the input's frames, [2, input frames, num_bins].
    before: The input's frame before each of the result's.
  """
  real, imaginary = directions
  along = real[1:] * real[:-1] + imaginary[1:] * imaginary[:-1]
  across = np.empty((len(along), 2, phase.shape[-1]))
  np.subtract(imaginary[1:] * real[:-1], real[1:] * imaginary[:-1], out=across[:, 1])
  np.negative(across[:, 1], out=across[:, 0])
  phases = np.empty((len(before) + 1, 2, phase.shape[-1]))
  phases[0] = phase
  crossed = np.empty_like(phase)
  for frame, hop in enumerate(before.tolist()):
    now, following = phases[frame], phases[frame + 1]
    np.multiply(now, along[hop], out=following)
    np.multiply(now[::-1], across[hop], out=crossed)
    np.add(following, crossed, out=following)
  return phases


def _polar(
  values: NDArray[np.complex128],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
  """Returns magnitudes, and real and imaginary parts divided by them: [2, frames, num_bins].

  1 and 0 where there is nothing to divide.
  """
  parts = np.stack([values.real, values.imag])
  magnitude = np.sqrt(np.square(parts[0]) + np.square(parts[1]))
  is_silent = magnitude == 0
  np.divide(parts, magnitude + is_silent, out=parts)
  parts[0] += is_silent
  return magnitude, parts


def _overlap_add(total: NDArray[np.float32], start: int, frames: NDArray[np.float32]) -> None:
  """Adds frame i to `total`, which is cut into hops, from hop start + i on."""
  parts = frames.reshape(len(frames), HOPS, -1)
  for index in range(HOPS):
    total[start + index : start + index + len(frames)] += parts[:, index]
