"""Tempogram: at which distances in time onsets repeat, around each frame."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from features import feature, stored_form
from features.spectra import frames as frames_lib
from features.spectra import mel_energy, onset, spectrum
from schemas import audio, errors

# More is a typing error, not a wish: 65 seconds at the default hop.
MAX_LAGS = 1 << 12

# Where onsets around a frame are weaker than this on the average, there is no rhythm to show: the
# rounding of float32 makes up to 1e-3 dB of a steady tone. Weaker ones are not made as large as
# strong ones by the norm.
LEAST_ONSET_DB = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tempogram(mel_energy.MelSettings):
  """Settings of the tempogram.

  Attributes:
    num_mels: Bands whose rise makes the onset strength.
    tempo_window_s: Length of the piece of the onset envelope that is compared with itself, in
      seconds; also the longest distance (lag) that is looked at. The default holds the syllables of
      speech (2 to 8 a second); for the beat of music use 8. It may be longer than a clip: beyond
      the clip there are no onsets, and lags longer than the clip are near 0.
    top_db: Bands more than this below the loudest of the clip count as just that far below, in dB.
    norm: `inf` divides each frame by its lag 0, `none` leaves dB squared.
  """

  num_mels: int = 64
  tempo_window_s: float = 1.0
  top_db: float = 80.0
  norm: str = 'inf'

  def __post_init__(self) -> None:
    super().__post_init__()
    if not 0 < self.top_db < math.inf:
      raise errors.FeatureError(f'top_db must be positive, such as 80 dB, got {self.top_db}.')
    if self.norm not in ('inf', 'none'):
      raise errors.FeatureError(f'norm must be inf or none, got {self.norm!r}.')
    if not (math.isfinite(self.tempo_window_s) and self.tempo_window_s >= 2 * self.hop_s):
      raise errors.FeatureError(
        f'tempo_window_s must be at least two hops of {self.hop_s} seconds, '
        f'got {self.tempo_window_s}.'
      )

  def num_lags(self, spec: audio.AudioSpec) -> int:
    """Lags, from 0 frames on; FeatureError where there are too many."""
    frames = self.frames(spec)
    num_lags = round(self.tempo_window_s * spec.sample_rate_hz / frames.hop_samples)
    if num_lags > MAX_LAGS:
      raise errors.FeatureError(
        f'tempo_window_s={self.tempo_window_s} is {num_lags} frames of {self.hop_s} s; there may '
        f'be at most {MAX_LAGS}. Use a shorter tempo_window_s or a longer hop_s.'
      )
    return num_lags


def shape(settings: Tempogram, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(num_frames, num_lags); num_frames is None where each clip has a length of its own."""
  num_frames, _ = mel_energy.shape(settings, spec)
  num_lags = settings.num_lags(spec)
  # No band can rise by more than top_db.
  highest = settings.top_db**2 * float(np.square(frames_lib.hann_window(num_lags)).sum())
  if settings.norm == 'none':
    what = f'Without a norm a tempogram can reach {highest:.3g} with these settings'
    stored_form.check_fits(settings.dtype, highest, what, remedy='norm=inf')
  return num_frames, num_lags


def kernel(settings: Tempogram, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for tempograms: [clips, num_samples] -> [clips, num_frames, num_lags].

  Entry [t, l] is the autocorrelation at a lag of l frames of the onset strength around frame t,
  under a Hann window; with norm=inf 1 at lag 0 wherever there are onsets.

  Source: P. Grosche, M. Müller and F. Kurth, Cyclic tempogram, ICASSP 2010; padded at the ends as
  librosa.feature.tempogram does it.
  """
  shape(settings, spec)
  onsets = onset.OnsetStrength(settings, spec, top_db=settings.top_db)
  correlation = Autocorrelation(settings.num_lags(spec))
  weakest = LEAST_ONSET_DB**2 * float(np.square(correlation.window).sum())

  def change(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    if settings.norm == 'inf':
      np.divide(rows, np.maximum(rows[:, :1], np.float32(weakest)), out=rows)
    return rows

  correlate = correlation.kernel(len(correlation.window), change)
  return lambda batch: correlate(correlation.padded(onsets.envelopes(batch)))


class Autocorrelation(spectrum.PowerSpectrum):
  """Autocorrelations of windows that move by one entry; made once per kernel.

  By way of the power spectrum (Wiener and Khinchin): an envelope is put through the same frames and
  transform as audio is, as if it had been taken 1,000 times a second.

  Attributes:
    window: Periodic Hann window, float32 [num_lags].
  """

  def __init__(self, num_lags: int) -> None:
    # Long enough that no window meets its own beginning.
    fft_samples = 2 * scipy.fft.next_fast_len(num_lags, real=True)
    settings = frames_lib.FrameSettings(
      window_s=num_lags / 1000, hop_s=1 / 1000, fft_samples=fft_samples
    )
    super().__init__(settings, audio.AudioSpec(sample_rate_hz=1000, clip_s=0.0))
    self.window = frames_lib.hann_window(num_lags)

  def padded(self, envelopes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns `envelopes` [clips, num_frames] so long that every frame has its window.

    The windows stand with their middles on the frames; beyond the ends the envelope falls to 0 in a
    straight line.
    """
    num_lags = len(self.window)
    return _with_ramps(envelopes, num_lags // 2)[:, : envelopes.shape[1] + num_lags - 1]

  def pieces(
    self, batch: NDArray[np.float32]
  ) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """Yields (clips, frames, autocorrelations [rows, num_lags]), as PowerSpectrum.pieces does."""
    for clips, frames, power in super().pieces(batch):
      # A real, even spectrum: the cosine transform is its inverse, in half the time of irfft.
      rows = scipy.fft.dct(power, type=1, axis=1, norm='forward', overwrite_x=True)
      yield clips, frames, rows[:, : len(self.window)]


def _with_ramps(envelopes: NDArray[np.float32], length: int) -> NDArray[np.float32]:
  """Returns [clips, num_frames + 2 * length], with lines from 0 to the ends and away from them.

  np.pad(mode='linear_ramp') rounds all ramps otherwise where a single clip of the batch is silent.
  """

  def ramp(edge: NDArray[np.float32]) -> NDArray[np.float32]:
    step = edge.astype(np.float64) / max(1, length)
    return (np.arange(length) * step[:, np.newaxis]).astype(np.float32)

  before, behind = ramp(envelopes[:, 0]), ramp(envelopes[:, -1])[:, ::-1]
  return np.concatenate([before, envelopes, behind], axis=1)


FEATURE = feature.Feature(
  settings=Tempogram, shape=shape, kernel=kernel, min_samples=frames_lib.min_samples
)
