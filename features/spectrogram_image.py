"""A spectrogram as a picture in colour: what a network pretrained on photographs takes."""

import dataclasses
import math

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from features import feature
from features.pixels import colormaps, resize
from features.spectra import frames as frames_lib
from features.spectra import mel_energy, spectrum
from schemas import audio, errors

OF = ('log_mel', 'stft')

# Wider than what any network takes, and still 48 MB as float32.
MAX_PIXELS = 2048

# The lower end of the range of levels never goes below this, in dB of energy: so silence is dark,
# and rounding to 16 bits (about -78 dB a bin, -63 dB in the widest mel band at 16 kHz) nearly so.
# With top_db=80 it begins to count where the quietest of 200 FSDD recordings stops, at -10 dB.
LOWEST_DB = -90.0

# Pixels that are worked on at once: 1 MiB a step, so that they stay in cache.
_PIECE_PIXELS = 1 << 17


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrogramImage(mel_energy.MelSettings):
  """Settings of the picture.

  Attributes:
    dtype: uint8: red, green and blue of a pixel, from 0 to 255.
    of: `log_mel` (mel bands, where speech has room) or `stft` (bins equally far apart).
    height: Pixels; low frequencies are at the bottom.
    width: Pixels; time goes to the right. The picture is as wide for every clip, also where each
      has a length of its own.
    colormap: Any colormap that Matplotlib has. `gray` makes three equal channels.
    top_db: Range from the darkest colour to the brightest, in dB, below the loudest point of the
      clip. Not below a fixed level: how far the speaker was from the microphone is no property of
      a word, and such a network needs contrast. A clip whose loudest point is less than top_db
      above -90 dB of energy (with 80: a tone 54 dB below full scale at 16 kHz) is not made
      brighter than that, and silence is the darkest colour.
    low_hz: Frequency at the lower edge, in Hz.
    high_hz: Frequency at the upper edge, in Hz; 0 is half the sample rate.
    num_mels: Mel bands, of=log_mel only.
    scale: `htk` or `slaney`, of=log_mel only.
  """

  DTYPES = ('uint8',)

  dtype: str = 'uint8'
  of: str = 'log_mel'
  height: int = 224
  width: int = 224
  colormap: str = 'viridis'
  top_db: float = 80.0
  window_s: float = 0.040
  hop_s: float = 0.008
  num_mels: int = 128

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.of not in OF:
      raise errors.FeatureError(f'of must be {" or ".join(OF)}, got {self.of!r}.')
    for name in ('height', 'width'):
      if not 1 <= getattr(self, name) <= MAX_PIXELS:
        raise errors.FeatureError(
          f'{name} must be in [1, {MAX_PIXELS}] pixels, got {getattr(self, name)}.'
        )
    if not 0 < self.top_db < math.inf:
      raise errors.FeatureError(f'top_db must be positive, such as 80 dB, got {self.top_db}.')

  def bins(self, spec: audio.AudioSpec) -> slice:
    """The bins of a transform from low_hz to high_hz; FeatureError where there are none."""
    fft_samples = self.frames(spec).transform_samples
    bin_hz = spec.sample_rate_hz / fft_samples
    nyquist_hz = spec.sample_rate_hz / 2
    high_hz = self.high_hz or nyquist_hz
    bins = frames_lib.bins_between(self.low_hz, high_hz, spec.sample_rate_hz, fft_samples)
    if high_hz > nyquist_hz or bins.start >= bins.stop:
      raise errors.FeatureError(
        f'There is no bin of the spectrum from low_hz={self.low_hz:g} to high_hz={high_hz:g} Hz, '
        f'or it ends outside: bins are {bin_hz:g} Hz apart and end at {nyquist_hz:g} Hz. '
        'Use a band between, or a longer fft_samples.'
      )
    return bins


def shape(settings: SpectrogramImage, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(height, width, 3), also where each clip has a length of its own."""
  if settings.of == 'stft':
    settings.num_frames(spec)
    settings.bins(spec)
  else:
    mel_energy.shape(settings, spec)
  colormaps.table(settings.colormap)
  return settings.height, settings.width, 3


def kernel(settings: SpectrogramImage, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for pictures: [clips, num_samples] -> [clips, height, width, 3].

  Whole numbers from 0 to 255.
  """
  shape(settings, spec)
  levels_of = _levels(settings, spec)
  colours = colormaps.table(settings.colormap)
  height, width = settings.height, settings.width
  clips_at_once = max(1, _PIECE_PIXELS // (height * width))

  def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.empty((len(batch), height, width, 3), np.float32)
    for start in range(0, len(batch), clips_at_once):
      piece = slice(start, start + clips_at_once)
      brightness = _resized(_scaled(levels_of(batch[piece]), settings.top_db), height, width)
      # As Matplotlib does it: 256 intervals of one size, and 1 in the last of them.
      np.multiply(brightness, np.float32(colormaps.NUM_COLOURS), out=brightness)
      np.take(colours, brightness.astype(np.intp), axis=0, mode='clip', out=out[piece])
    return out

  return compute


def _levels(settings: SpectrogramImage, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for levels in dB: [clips, num_samples] -> [clips, num_frames, bands]."""
  if settings.of == 'log_mel':
    energies = mel_energy.MelEnergies(settings, spec)
    return energies.kernel(settings.num_mels, lambda values: spectrum.in_db(values, LOWEST_DB).T)
  bins = settings.bins(spec)
  source = spectrum.PowerSpectrum(settings, spec)
  return source.kernel(
    bins.stop - bins.start, lambda values: spectrum.in_db(values, LOWEST_DB)[:, bins]
  )


def _scaled(levels: NDArray[np.float32], top_db: float) -> NDArray[np.float32]:
  """Returns `levels` [clips, frames, bands], overwritten, with each clip from 0 to 1."""
  loudest = levels.max(axis=(1, 2), keepdims=True)
  np.maximum(loudest, np.float32(LOWEST_DB + top_db), out=loudest)
  np.subtract(levels, loudest, out=levels)
  np.multiply(levels, np.float32(1 / top_db), out=levels)
  np.add(levels, np.float32(1), out=levels)
  return np.clip(levels, np.float32(0), np.float32(1), out=levels)


def _resized(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
  """Returns [clips, height, width] of `values` [clips, frames, bands]; the highest band on top."""
  num_clips, num_frames, num_bands = values.shape
  across = resize.bilinear(num_frames, width)
  upwards = scipy.sparse.csr_array(resize.bilinear(num_bands, height)[::-1])
  columns = across @ values.transpose(1, 2, 0).reshape(num_frames, -1)
  columns = columns.reshape(width, num_bands, num_clips).transpose(1, 2, 0)
  rows = upwards @ columns.reshape(num_bands, -1)  # [height, clips * width]
  return np.ascontiguousarray(rows.reshape(height, num_clips, width).transpose(1, 0, 2))


FEATURE = feature.Feature(
  settings=SpectrogramImage, shape=shape, kernel=kernel, min_samples=frames_lib.min_samples
)
