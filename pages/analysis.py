"""What is drawn of a clip: its envelope, and its spectrum in three forms."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.spectra import chroma_filterbank, mel_filterbank

# Of a longer clip the beginning is drawn, and can be heard.
MAX_SECONDS = 6.0
RANGE_DB = 80.0
LOW_HZ = 20.0

_COLUMNS = 256
_ROWS = 128
_MELS = 64
_WINDOW_S = 0.032
# Semitones of a voice are told apart only by longer windows.
_CHROMA_WINDOW_S = 0.128
# Frames so far below the loudest have no pitch worth showing.
_CHROMA_GATE_DB = 50.0
# The transform is so many times as long as the window, so that no mel filter falls between bins.
_OVERSAMPLING = 4


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
  """One clip, ready to be drawn; time goes to the right, the first row is the lowest.

  Attributes:
    seconds: Length of what is drawn.
    lowest: Smallest sample of each column, float32 [columns].
    highest: Largest sample of each column, float32 [columns].
    spectrogram: Levels relative to the loudest, from 0 (RANGE_DB below) to 1, [rows, columns].
    mel: The same in mel bands from LOW_HZ on.
    chroma: Share of the strongest pitch class, from C to B, [12, columns].
  """

  seconds: float
  lowest: NDArray[np.float32]
  highest: NDArray[np.float32]
  spectrogram: NDArray[np.float32]
  mel: NDArray[np.float32]
  chroma: NDArray[np.float32]


def of(samples: NDArray[np.float32], rate_hz: int) -> Analysis:
  """Returns the analysis of the beginning of a clip, from samples [num_samples]."""
  samples = beginning(samples, rate_hz)
  power, fft_samples = _power(samples, rate_hz, _WINDOW_S)
  bank = mel_filterbank.Bank(
    num_mels=_MELS, fft_samples=fft_samples, sample_rate_hz=rate_hz, low_hz=LOW_HZ,
    high_hz=rate_hz / 2, scale='htk',
  )  # fmt: skip
  edges = np.linspace(0, len(samples), min(_COLUMNS, len(samples)) + 1).astype(int)[:-1]
  return Analysis(
    seconds=len(samples) / rate_hz,
    lowest=np.minimum.reduceat(samples, edges),
    highest=np.maximum.reduceat(samples, edges),
    spectrogram=_levels(_fewer_rows(power)),
    mel=_levels(bank.weights().T @ power),
    chroma=_chroma(samples, rate_hz),
  )


def spectrogram(samples: NDArray[np.float32], rate_hz: int) -> tuple[float, NDArray[np.float32]]:
  """Returns seconds and levels of the spectrogram alone, as `of` does."""
  samples = beginning(samples, rate_hz)
  power, _ = _power(samples, rate_hz, _WINDOW_S)
  return len(samples) / rate_hz, _levels(_fewer_rows(power))


def beginning(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
  """Returns the part of a clip that is drawn, and can be heard."""
  return samples[: max(1, round(MAX_SECONDS * rate_hz))]


def _power(
  samples: NDArray[np.float32], rate_hz: int, window_s: float
) -> tuple[NDArray[np.float32], int]:
  """Returns |X|^2 [bins, columns] of frames centred on columns, and the transform's length."""
  window_samples = max(4, round(window_s * rate_hz))
  fft_samples = _OVERSAMPLING << (window_samples - 1).bit_length()
  columns = max(1, min(_COLUMNS, len(samples)))
  starts = ((np.arange(columns) + 0.5) * len(samples) / columns).astype(int)
  padded = np.pad(samples, (window_samples // 2, window_samples))
  frames = padded[starts[:, None] + np.arange(window_samples)] * np.hanning(window_samples + 1)[:-1]
  spectrum = np.fft.rfft(frames, fft_samples, axis=1)
  return np.square(np.abs(spectrum)).T.astype(np.float32), fft_samples


def _fewer_rows(power: NDArray[np.float32]) -> NDArray[np.float32]:
  """The largest of neighbouring bins, so that no partial is lost."""
  edges = np.linspace(0, len(power), min(_ROWS, len(power)) + 1).astype(int)[:-1]
  return np.maximum.reduceat(power, edges, axis=0)


def _levels(power: NDArray[np.float32]) -> NDArray[np.float32]:
  largest = power.max()
  if not largest > 0:
    return np.zeros_like(power)
  relative_db = 10 * np.log10(np.maximum(power / largest, 1e-12))
  levels: NDArray[np.float32] = np.clip(1 + relative_db / RANGE_DB, 0, 1).astype(np.float32)
  return levels


def _chroma(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
  power, fft_samples = _power(samples, rate_hz, _CHROMA_WINDOW_S)
  bank = chroma_filterbank.Bank(num_chroma=12, fft_samples=fft_samples, sample_rate_hz=rate_hz)
  energies = bank.weights().T @ power
  loudness = power.sum(axis=0)
  largest = energies.max(axis=0, keepdims=True)
  is_heard = loudness > loudness.max() * 10 ** (-_CHROMA_GATE_DB / 10)
  return np.where(is_heard & (largest > 0), energies / np.maximum(largest, 1e-30), 0.0)
