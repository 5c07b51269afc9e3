"""Magnitude spectrum of a whole clip."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from features import feature, stored_form
from features.portable import logarithm
from features.spectra import frames, spectrum
from schemas import audio, errors

LOG = 'log'
LINEAR = 'linear'
SCALES = (LOG, LINEAR)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fft:
  """Settings of the spectrum of a clip.

  Attributes:
    dtype: How it is stored: float16 or float32.
    fft_samples: Length of the Fourier transform: longer clips are cut, shorter are filled up with
      zeros. 0 picks the next power of two of the clip; where each clip has a length of its own,
      it must be given, so that all have the same bins.
    max_hz: Bins above are left out, in Hz; 0 keeps all up to half the sample rate.
    num_bins: Adjacent bins are pooled to this many bands of (nearly) equal width, each the root of
      the mean of the squares; 0 keeps each bin.
    scale: `log` for ln(magnitude + floor), `linear` for the magnitude.
    floor: Added before the logarithm, so that silence is ln(floor). Rounding to 16 bits alone makes
      a magnitude of about 1e-3 in a second at 16 kHz.
  """

  dtype: str = 'float16'
  fft_samples: int = 0
  max_hz: float = 0.0
  num_bins: int = 0
  scale: str = LOG
  floor: float = 1e-2

  def __post_init__(self) -> None:
    frames.check_dtype(self.dtype, frames.SPECTRAL_DTYPES)
    frames.check_floor(self.floor)
    if self.fft_samples and not 2 <= self.fft_samples <= frames.MAX_FFT_SAMPLES:
      raise errors.FeatureError(
        f'fft_samples must be 0 or in [2, {frames.MAX_FFT_SAMPLES}] samples, got '
        f'{self.fft_samples}. 0 picks the next power of two of the clip.'
      )
    if not (math.isfinite(self.max_hz) and self.max_hz >= 0):
      raise errors.FeatureError(
        f'max_hz must be positive, or 0 for half the sample rate, got {self.max_hz}.'
      )
    if self.num_bins < 0:
      raise errors.FeatureError(f'num_bins must be positive, or 0 for all, got {self.num_bins}.')
    if self.scale not in SCALES:
      raise errors.FeatureError(f'scale must be {" or ".join(SCALES)}, got {self.scale!r}.')

  def transform_samples(self, spec: audio.AudioSpec) -> int:
    """Length of the Fourier transform; FeatureError where the clips leave it open."""
    if self.fft_samples:
      return self.fft_samples
    if spec.is_variable:
      raise errors.FeatureError(
        'fft needs fft_samples where each clip has a length of its own, so that all have the same '
        f'bins. Use such as fft_samples={1 << (spec.sample_rate_hz - 1).bit_length()} (clips '
        'longer than that are cut), or clips of one length.'
      )
    fft_samples = max(2, 1 << (spec.clip_samples - 1).bit_length())
    if fft_samples > frames.MAX_FFT_SAMPLES:
      raise errors.FeatureError(
        f'A clip of {spec.clip_s} s is {spec.clip_samples} samples at {spec.sample_rate_hz} Hz; '
        f'the transform may have at most {frames.MAX_FFT_SAMPLES}. Use shorter clips, or '
        'fft_samples, to which they are cut.'
      )
    return fft_samples

  def band_edges(self, spec: audio.AudioSpec) -> NDArray[np.int64]:
    """Bins at which the bands begin, and behind the last the end: int64 [bands + 1].

    Raises:
      FeatureError: where the bands do not fit the bins.
    """
    nyquist_hz = spec.sample_rate_hz / 2
    if self.max_hz > nyquist_hz:
      raise errors.FeatureError(
        f'max_hz={self.max_hz:g} is above half the sample rate of {spec.sample_rate_hz} Hz, where '
        f'the spectrum ends. Use at most {nyquist_hz:g}, or 0 for just that.'
      )
    fft_samples = self.transform_samples(spec)
    hz_per_bin = spec.sample_rate_hz / fft_samples
    highest_hz = self.max_hz or nyquist_hz
    last_bin = frames.bins_between(0, highest_hz, spec.sample_rate_hz, fft_samples).stop - 1
    if self.num_bins > last_bin + 1:
      raise errors.FeatureError(
        f'num_bins={self.num_bins} are more than the {last_bin + 1} bins, {hz_per_bin:g} Hz apart, '
        'that there are. Use fewer, 0 for all, or a larger fft_samples or max_hz.'
      )
    num_bands = self.num_bins or last_bin + 1
    bands = np.arange(num_bands + 1, dtype=np.int64)
    edges: NDArray[np.int64] = bands * (last_bin + 1) // num_bands
    return edges


def shape(settings: Fft, spec: audio.AudioSpec) -> tuple[int, ...]:
  """(1, bins): one frame, so that statistics are kept per bin, and models take it as an image."""
  edges = settings.band_edges(spec)
  longest = min(settings.transform_samples(spec), spec.clip_samples or frames.MAX_FFT_SAMPLES)
  if settings.scale == LINEAR:
    what = f'Magnitudes of {longest} samples can reach {longest}'
    stored_form.check_fits(settings.dtype, longest, what, remedy='scale=log')
  return 1, len(edges) - 1


def kernel(settings: Fft, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for ln(|X| + floor), or |X|: [clips, num_samples] -> [clips, 1, bins].

  No window, magnitudes not scaled: a sine of amplitude 1 on a bin has half its samples there.
  """
  num_bins = shape(settings, spec)[1]
  edges = settings.band_edges(spec)
  fft_samples = settings.transform_samples(spec)
  pooling = _pooling(edges) if num_bins < edges[-1] else None
  floor = np.float32(settings.floor)

  def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.empty((len(batch), 1, num_bins), np.float32)
    for clips, power in _powers(batch, fft_samples):
      values = power[:, : edges[-1]]
      if pooling is not None:
        values = np.ascontiguousarray((pooling @ np.ascontiguousarray(values.T)).T)
      values = np.sqrt(values)
      if settings.scale == LOG:
        logarithm.log(np.add(values, floor, out=values))
      place = out[clips, 0]
      place[...] = values[: len(place)]
    return out

  return compute


def _powers(
  batch: NDArray[np.float32], fft_samples: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
  """Yields (clips, |X|^2 of these [rows, fft_samples // 2 + 1]); rows beyond them are filling."""
  samples = batch[:, :fft_samples]
  most_rows = spectrum.filled(max(1, spectrum.PIECE_SAMPLES // fft_samples))
  padded = np.zeros((min(most_rows, spectrum.filled(len(batch))), fft_samples), np.float32)
  for start in range(0, len(batch), most_rows):
    block = samples[start : start + most_rows]
    padded[: len(block), : block.shape[1]] = block
    rows = padded[: spectrum.filled(len(block))]
    yield slice(start, start + len(block)), spectrum.power(scipy.fft.rfft(rows, axis=1))


def _pooling(edges: NDArray[np.int64]) -> scipy.sparse.csr_array:
  """Means of bands as a matrix, float32 [bands, bins]. Sparse, not BLAS: see mel_energy.py."""
  widths = np.diff(edges)
  weights = np.repeat(1 / widths, widths).astype(np.float32)
  return scipy.sparse.csr_array(
    (weights, np.arange(edges[-1]), edges), shape=(len(widths), edges[-1])
  )


FEATURE = feature.Feature(settings=Fft, shape=shape, kernel=kernel, has_twin=True)
