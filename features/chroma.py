"""Chroma: how much of each class of pitch, from C to B, is in each frame."""

import dataclasses

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from features import feature, stored_form
from features.spectra import chroma_filterbank, norms, spectrum
from features.spectra import frames as frames_lib
from schemas import audio, errors

# A tenth of a semitone. What is finer than the bins only repeats them.
MAX_CHROMA = 120


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chroma(frames_lib.FrameSettings):
  """Settings of the chromagram.

  Attributes:
    window_s: Longer than other features': a Hann window of w seconds tells tones 4 / w Hz apart,
      and neighbouring semitones are 6 % apart. So 0.128 s tells them from 530 Hz on, 0.025 s only
      from 2.7 kHz on, above any melody.
    hop_s: A quarter of the window.
    num_chroma: Classes an octave is divided into, a multiple of 12: semitones, or equal parts of
      them. The first is C.
    tuning: By how much of a class A4 is sharper than 440 Hz, from -0.5 to 0.5. Fixed, not guessed
      from each clip, so that one clip is not moved against another.
    norm: What each frame is divided by: `inf` (its largest value), `l1` (their sum), `l2` (root of
      the sum of squares) or `none`.
  """

  window_s: float = 0.128
  hop_s: float = 0.032
  num_chroma: int = 12
  tuning: float = 0.0
  norm: str = 'inf'

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.num_chroma % 12 or not 12 <= self.num_chroma <= MAX_CHROMA:
      raise errors.FeatureError(
        f'num_chroma must be a multiple of 12 in [12, {MAX_CHROMA}], so that classes are semitones '
        f'or equal parts of them; got {self.num_chroma}.'
      )
    if not -0.5 <= self.tuning <= 0.5:
      raise errors.FeatureError(
        f'tuning must be in [-0.5, 0.5], the part of a class by which A4 is sharper than 440 Hz; '
        f'got {self.tuning}.'
      )
    norms.check_norm(self.norm)

  def filterbank(self, spec: audio.AudioSpec) -> NDArray[np.float32]:
    """Weights, read-only float32 [num_bins, num_chroma]."""
    return chroma_filterbank.Bank(
      num_chroma=self.num_chroma,
      fft_samples=self.frames(spec).transform_samples,
      sample_rate_hz=spec.sample_rate_hz,
      tuning=self.tuning,
    ).weights()


def shape(settings: Chroma, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(num_frames, num_chroma); num_frames is None where each clip has a length of its own."""
  num_frames = settings.num_frames(spec)
  if settings.norm == 'none':
    highest = highest_energy(settings, spec)
    stored_form.check_fits(
      settings.dtype,
      highest,
      f'Without a norm chroma can reach {highest:.3g} with these settings at '
      f'{spec.sample_rate_hz} Hz',
      remedy='norm=inf',
    )
  return num_frames, settings.num_chroma


def highest_energy(settings: Chroma, spec: audio.AudioSpec) -> float:
  """A bound for the energy in any class, for samples in [-1, 1]."""
  total = frames_lib.most_power(settings.frames(spec))
  return float(settings.filterbank(spec).max()) * total


def kernel(settings: Chroma, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel for chroma: [clips, num_samples] -> [clips, num_frames, num_chroma].

  At least 0; with a norm at most 1, and zero in a frame of silence.
  """
  shape(settings, spec)
  # Not BLAS, whose order of additions depends on threads and shapes; see mel_energy.MelEnergies.
  filters = scipy.sparse.csr_array(settings.filterbank(spec).T)

  def change(power: NDArray[np.float32]) -> NDArray[np.float32]:
    energies: NDArray[np.float32] = filters @ np.ascontiguousarray(power.T)  # [num_chroma, rows]
    norms.normalise(energies, settings.norm)
    return energies.T

  return spectrum.PowerSpectrum(settings, spec).kernel(settings.num_chroma, change)


FEATURE = feature.Feature(
  settings=Chroma, shape=shape, kernel=kernel, has_twin=True, min_samples=frames_lib.min_samples
)
