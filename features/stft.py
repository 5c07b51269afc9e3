"""Log magnitude of the short-time Fourier transform."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features import feature
from features.portable import logarithm
from features.spectra import frames as frames_lib
from features.spectra import spectrum
from schemas import audio


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stft(frames_lib.FrameSettings):
  """Settings of the spectrogram.

  Attributes:
    floor: Added to the magnitude before the logarithm, so that silence is ln(floor). Rounding to
      16 bits alone makes a magnitude of about 1e-4 at the default window.
  """

  floor: float = 1e-3

  def __post_init__(self) -> None:
    super().__post_init__()
    frames_lib.check_floor(self.floor)


def shape(settings: Stft, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(num_frames, num_bins); num_frames is None where each clip has a length of its own."""
  return settings.num_frames(spec), settings.frames(spec).num_bins


def kernel(settings: Stft, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for ln(|X| + floor): [clips, num_samples] -> [clips, num_frames, num_bins].

  Hann window, no padding at the edges, magnitudes not scaled: a sine of amplitude 1 on a bin has
  half the sum of the window.
  """
  source = spectrum.PowerSpectrum(settings, spec)
  floor = np.float32(settings.floor)

  def change(values: NDArray[np.float32]) -> NDArray[np.float32]:
    np.sqrt(values, out=values)
    return logarithm.log(np.add(values, floor, out=values))

  return source.kernel(source.num_bins, change)


def bins_hz(settings: Stft, spec: audio.AudioSpec) -> NDArray[np.float64]:
  """The frequency of each bin, float64 [num_bins]."""
  frames = settings.frames(spec)
  bins = np.arange(frames.num_bins, dtype=np.float64)
  return bins * (spec.sample_rate_hz / frames.transform_samples)


FEATURE = feature.Feature(
  settings=Stft,
  shape=shape,
  kernel=kernel,
  has_twin=True,
  min_samples=frames_lib.min_samples,
  bins_hz=bins_hz,
)
