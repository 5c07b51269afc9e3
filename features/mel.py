"""Mel energies: the power spectrum seen through triangular filters."""

import dataclasses

import numpy as np

from features import feature, stored_form
from features.spectra import frames as frames_lib
from features.spectra import mel_energy
from schemas import audio


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mel(mel_energy.MelSettings):
  """Settings of mel energies.

  Attributes:
    dtype: float32 by default, because float16 holds nothing under 6e-8, where the quiet bands of a
      16-bit recording lie, and nothing over 65504. Measured over full-scale tones and square waves
      with the default window, energies reach 3.4e4 at 16 kHz, 8.1e4 at 22.05 kHz and 3.6e5 at
      48 kHz. Where samples in [-1, 1] can overflow it, float16 is refused.
  """

  dtype: str = 'float32'


def shape(settings: Mel, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(num_frames, num_mels); num_frames is None where each clip has a length of its own."""
  highest = highest_energy(settings, spec)
  stored_form.check_fits(
    settings.dtype,
    highest,
    f'Mel energies can reach {highest:.3g} with these settings at {spec.sample_rate_hz} Hz',
    remedy='the feature log_mel',
  )
  return mel_energy.shape(settings, spec)


def highest_energy(settings: Mel, spec: audio.AudioSpec) -> float:
  """A bound for the energy in any band, for samples in [-1, 1].

  The bins between 0 Hz and half the rate stand for two each, so their |X|^2 add up to at most half
  of all. The bins at the two ends have no weight in any filter.
  """
  total = frames_lib.most_power(settings.frames(spec)) / 2
  return float(settings.filterbank(spec).max()) * total


def kernel(settings: Mel, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for mel energies: [clips, num_samples] -> [clips, num_frames, num_mels]."""
  shape(settings, spec)
  return mel_energy.MelEnergies(settings, spec).kernel(settings.num_mels, np.transpose)


FEATURE = feature.Feature(
  settings=Mel,
  shape=shape,
  kernel=kernel,
  has_twin=True,
  min_samples=frames_lib.min_samples,
  bins_hz=mel_energy.bins_hz,
)
