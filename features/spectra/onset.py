"""Onset strength: how much louder the bands of a sound became since the frame before."""

import numpy as np
from numpy.typing import NDArray

from features.spectra import mel_energy, spectrum
from schemas import audio

# Below it nothing is heard, as in librosa.power_to_db.
_LOWEST_DB = -100.0

# Floats of log mel energies that are worked on at once: 512 KiB, so that they stay in cache.
_PIECE_FLOATS = 1 << 17


class OnsetStrength:
  """Log mel energies and their flux for one kernel; holds only constants."""

  def __init__(
    self, settings: mel_energy.MelSettings, spec: audio.AudioSpec, *, top_db: float
  ) -> None:
    energies = mel_energy.MelEnergies(settings, spec)
    self._levels = energies.kernel(
      settings.num_mels, lambda values: spectrum.in_db(values, _LOWEST_DB).T
    )
    self._top_db = np.float32(top_db)

  def envelopes(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Onset strength in dB, float32 [clips, num_frames], at least 0; 0 in the first frame.

    The mean over the bands of what each rose since the frame before; what fell counts as nothing.
    Bands more than top_db below the clip's loudest count as just that far below.

    Source: librosa.onset.onset_strength(lag=1, center=False), after S. Böck and G. Widmer,
    Maximum filter vibrato suppression for onset detection, DAFx 2013, without the filter.

    Args:
      batch: Samples, float32 [clips, num_samples].
    """
    levels = self._levels(batch)  # [clips, num_frames, num_mels]
    out = np.zeros(levels.shape[:2], np.float32)
    clips_at_once = max(1, _PIECE_FLOATS // max(1, levels[:1].size))
    for start in range(0, len(batch), clips_at_once):
      piece = slice(start, start + clips_at_once)
      out[piece, 1:] = self._flux(levels[piece])
    return out

  def _flux(self, levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean rise from frame to frame, [clips, num_frames - 1]; `levels` is overwritten."""
    lowest = levels.max(axis=(1, 2), keepdims=True, initial=-np.inf) - self._top_db
    np.maximum(levels, lowest, out=levels)
    rise = levels[:, 1:] - levels[:, :-1]
    np.maximum(rise, np.float32(0), out=rise)
    mean: NDArray[np.float32] = rise.mean(axis=2)
    return mean
