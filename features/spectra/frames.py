"""Frames: their settings, the view of a batch as frames, the window."""

import dataclasses
import fractions
import functools
import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from features.portable import elementary
from schemas import audio, errors

# Beyond this a transform is a typing error, not a wish: 65 seconds at 16 kHz.
MAX_FFT_SAMPLES = 1 << 20
# What the logarithm takes, in float32.
_LEAST_FLOOR, _MOST_FLOOR = 1.2e-38, 1e30
SPECTRAL_DTYPES = ('float16', 'float32')


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameSettings:
  """What every feature that is computed on frames can be told.

  Attributes:
    dtype: How it is stored: float16 or float32.
    window_s: Length of one analysis window, in seconds.
    hop_s: Distance between the starts of two windows, in seconds, in (0, window_s].
    fft_samples: Length of the Fourier transform; 0 picks the next power of two of the window.
  """

  DTYPES: ClassVar[tuple[str, ...]] = SPECTRAL_DTYPES

  dtype: str = 'float16'
  window_s: float = 0.025
  hop_s: float = 0.010
  fft_samples: int = 0

  def __post_init__(self) -> None:
    check_dtype(self.dtype, self.DTYPES)
    if not (math.isfinite(self.window_s) and 0 < self.hop_s <= self.window_s):
      raise errors.FeatureError(
        f'hop_s must be in (0, window_s={self.window_s}] seconds, got {self.hop_s}. '
        'A hop longer than the window skips audio.'
      )
    if not 0 <= self.fft_samples <= MAX_FFT_SAMPLES:
      raise errors.FeatureError(
        f'fft_samples must be in [0, {MAX_FFT_SAMPLES}] samples, got {self.fft_samples}. '
        '0 picks the next power of two of the window.'
      )

  def frames(self, spec: audio.AudioSpec) -> audio.FrameSpec:
    """The frames at the rate of `spec`; SchemaError where they do not fit it."""
    return audio.FrameSpec(
      sample_rate_hz=spec.sample_rate_hz,
      window_s=self.window_s,
      hop_s=self.hop_s,
      fft_samples=self.fft_samples,
    )

  def num_frames(self, spec: audio.AudioSpec) -> int | None:
    """Frames of one clip; None where each clip has a length of its own.

    Raises:
      FeatureError: for a clip that is shorter than one window, or a window that is too long.
    """
    frames = self.frames(spec)
    if frames.transform_samples > MAX_FFT_SAMPLES:
      raise errors.FeatureError(
        f'window_s={self.window_s} is {frames.window_samples} samples at {spec.sample_rate_hz} Hz; '
        f'the transform may have at most {MAX_FFT_SAMPLES}. Use a shorter window.'
      )
    if spec.is_variable:
      return None
    num_frames = frames.num_frames(spec.clip_samples)
    if num_frames < 1:
      raise errors.FeatureError(
        f'A clip of {spec.clip_s} s ({spec.clip_samples} samples at {spec.sample_rate_hz} Hz) is '
        f'shorter than one window of {frames.window_samples} samples (window_s={self.window_s}). '
        'Use longer clips or a shorter window_s and hop_s.'
      )
    return num_frames


def min_samples(settings: FrameSettings, spec: audio.AudioSpec) -> int:
  """Samples of the shortest clip that has a frame: one window."""
  return settings.frames(spec).window_samples


def check_dtype(dtype: str, allowed: tuple[str, ...]) -> None:
  """Raises FeatureError where a feature cannot be stored as `dtype`."""
  if dtype not in allowed:
    raise errors.FeatureError(f'dtype must be {" or ".join(allowed)} here, got {dtype!r}.')


def check_floor(floor: float) -> None:
  """Raises FeatureError where silence would become minus infinity, or nothing would be heard."""
  if not _LEAST_FLOOR <= floor <= _MOST_FLOOR:
    raise errors.FeatureError(
      f'floor must be positive and finite, in [{_LEAST_FLOOR:.2g}, {_MOST_FLOOR:g}], got {floor}. '
      'Silence becomes the logarithm of it.'
    )


def bins_between(low_hz: float, high_hz: float, sample_rate_hz: int, fft_samples: int) -> slice:
  """The bins of a transform from `low_hz` to `high_hz`, both included.

  Computed with fractions: a quotient of floats can lose the bin that lies just on an end, such as
  bin 11 (100 Hz) of 1,760 samples at 16 kHz.
  """
  samples_per_hz = fractions.Fraction(fft_samples, sample_rate_hz)
  first = math.ceil(fractions.Fraction(low_hz) * samples_per_hz)
  return slice(first, math.floor(fractions.Fraction(high_hz) * samples_per_hz) + 1)


def most_power(frames: audio.FrameSpec) -> float:
  """A bound for what the |X|^2 of all bins add up to, for samples in [-1, 1]: N sum(w^2).

  Source: Parseval's theorem.
  """
  window = hann_window(frames.window_samples).astype(np.float64)
  return frames.transform_samples * float(np.square(window).sum())


@functools.lru_cache(maxsize=16)
def hann_window(window_samples: int) -> NDArray[np.float32]:
  """Periodic Hann window, read-only float32 [window_samples], in [0, 1].

  Source: 0.5 - 0.5 cos(2 pi n / N); periodic, not symmetric, as tf.signal.hann_window and
  scipy.signal.get_window('hann', N) have it, so that windows half overlapped add up to 1.
  """
  phase = 2 * np.pi * np.arange(window_samples) / window_samples
  window = (0.5 - 0.5 * elementary.cos(phase)).astype(np.float32)
  window.flags.writeable = False
  return window


def frame_view(batch: NDArray[np.float32], frames: audio.FrameSpec) -> NDArray[np.float32]:
  """Read-only view of `batch` [clips, samples] as [clips, num_frames, window_samples].

  Nothing is copied. There are frames.num_frames(samples) whole windows; a tail shorter than one
  is dropped.
  """
  if batch.shape[1] < frames.window_samples:
    return np.empty((batch.shape[0], 0, frames.window_samples), np.float32)
  windows = np.lib.stride_tricks.sliding_window_view(batch, frames.window_samples, axis=1)
  return windows[:, :: frames.hop_samples]
