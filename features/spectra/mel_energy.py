"""Energies in mel bands: what mel and log_mel have in common."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from features.spectra import frames as frames_lib
from features.spectra import mel_filterbank, spectrum
from schemas import audio, errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class MelSettings(frames_lib.FrameSettings):
  """What mel and log_mel can both be told, besides the frames.

  Attributes:
    num_mels: How many filters.
    low_hz: Lower edge of the lowest filter, in Hz. Hearing begins at 20 Hz; below is rumble.
    high_hz: Upper edge of the highest filter, in Hz; 0 is half the sample rate.
    scale: `htk` (TensorFlow's filters) or `slaney` (librosa's).
  """

  num_mels: int = 80
  low_hz: float = 20.0
  high_hz: float = 0.0
  scale: str = 'htk'

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.num_mels < 1:
      raise errors.FeatureError(f'num_mels must be at least 1, got {self.num_mels}.')
    if self.scale not in mel_filterbank.SCALES:
      raise errors.FeatureError(
        f'scale must be {" or ".join(mel_filterbank.SCALES)}, got {self.scale!r}.'
      )
    if not (math.isfinite(self.low_hz) and self.low_hz >= 0):
      raise errors.FeatureError(f'low_hz must be at least 0 Hz, got {self.low_hz}.')
    if not math.isfinite(self.high_hz) or (self.high_hz != 0 and self.high_hz <= self.low_hz):
      raise errors.FeatureError(
        f'high_hz must be above low_hz={self.low_hz:g} Hz, or 0 for half the sample rate, '
        f'got {self.high_hz:g}.'
      )

  def filterbank(self, spec: audio.AudioSpec) -> NDArray[np.float32]:
    """Weights, read-only float32 [num_bins, num_mels].

    Raises:
      FeatureError: where the band does not fit the sample rate, or a filter would be empty.
    """
    bank = self.bank(spec)
    mel_filterbank.check_no_filter_empty(bank)
    return bank.weights()

  def bank(self, spec: audio.AudioSpec) -> mel_filterbank.Bank:
    """The filters; FeatureError where the band does not fit the sample rate."""
    nyquist_hz = spec.sample_rate_hz / 2
    high_hz = self.high_hz or nyquist_hz
    if high_hz > nyquist_hz:
      raise errors.FeatureError(
        f'high_hz={high_hz:g} is above half the sample rate of {spec.sample_rate_hz} Hz, where '
        f'the spectrum ends. Use at most {nyquist_hz:g}, or 0 for just that.'
      )
    if self.low_hz >= high_hz:
      raise errors.FeatureError(
        f'low_hz={self.low_hz:g} must be below the upper edge of {high_hz:g} Hz, half of the '
        f'sample rate of {spec.sample_rate_hz} Hz. Lower it.'
      )
    return mel_filterbank.Bank(
      num_mels=self.num_mels,
      fft_samples=self.frames(spec).transform_samples,
      sample_rate_hz=spec.sample_rate_hz,
      low_hz=self.low_hz,
      high_hz=high_hz,
      scale=self.scale,
    )


def shape(settings: MelSettings, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(num_frames, num_mels); num_frames is None where each clip has a length of its own."""
  num_frames = settings.num_frames(spec)
  settings.filterbank(spec)
  return num_frames, settings.num_mels


def bins_hz(settings: MelSettings, spec: audio.AudioSpec) -> NDArray[np.float64]:
  """The frequency at the peak of each filter, float64 [num_mels]."""
  return settings.bank(spec).peaks_hz()


class MelEnergies(spectrum.PowerSpectrum):
  """Frames, window, transform and filters of one kernel; holds only constants."""

  def __init__(self, settings: MelSettings, spec: audio.AudioSpec) -> None:
    super().__init__(settings, spec)
    # Not BLAS: of 257 x 80 weights 502 are not zero, so the sparse product takes 8 us a clip
    # where sgemm takes 28. And it adds in one order everywhere, where BLAS chooses one by
    # processor, number of threads and number of rows, which would make bytes depend on them.
    self._filters = scipy.sparse.csr_array(settings.filterbank(spec).T)

  def pieces(
    self, batch: NDArray[np.float32]
  ) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """Yields (clips, frames, energies), as PowerSpectrum.pieces does.

    The energies are C-contiguous float32 [num_mels, rows]: transposed.
    """
    for clips, frames, power in super().pieces(batch):
      yield clips, frames, self._filters @ np.ascontiguousarray(power.T)
