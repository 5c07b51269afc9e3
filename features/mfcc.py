"""Mel-frequency cepstral coefficients, and how they change."""

import dataclasses
import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from features import feature, log_mel
from features.portable import elementary, logarithm
from features.spectra import frames as frames_lib
from features.spectra import mel_energy
from schemas import audio, errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mfcc(log_mel.LogMel):
  """Settings of the coefficients: those of log mel energies, and what is made of these.

  Attributes:
    num_coefficients: How many are kept, from the 0th (loudness) on; at most num_mels.
    lifter: Raises the middle coefficients, which are small, as in HTK, where 22 is usual; 0 leaves
      all as they are.
    deltas: 1 stores also how each coefficient changes, 2 also how that changes; 0 neither.
    delta_frames: Frames over which changes are looked for, an odd number.
  """

  num_coefficients: int = 20
  lifter: float = 0.0
  deltas: int = 0
  delta_frames: int = 9

  def __post_init__(self) -> None:
    super().__post_init__()
    if not 1 <= self.num_coefficients <= self.num_mels:
      raise errors.FeatureError(
        f'num_coefficients must be in [1, num_mels={self.num_mels}], got {self.num_coefficients}.'
      )
    if not (math.isfinite(self.lifter) and self.lifter >= 0):
      raise errors.FeatureError(f'lifter must be positive, or 0 for none, got {self.lifter}.')
    if self.deltas not in (0, 1, 2):
      raise errors.FeatureError(f'deltas must be 0, 1 or 2, got {self.deltas}.')
    if not (3 <= self.delta_frames <= 99 and self.delta_frames % 2):
      raise errors.FeatureError(
        f'delta_frames must be an odd number in [3, 99], got {self.delta_frames}.'
      )

  @property
  def num_columns(self) -> int:
    """Values of one frame."""
    return self.num_coefficients * (1 + self.deltas)

  def lifting(self) -> NDArray[np.float32]:
    """Factors of the coefficients, float32 [num_coefficients]: 1 + L/2 sin(pi (n + 1) / L).

    Source: The HTK Book, section 5.6, with n from 0, as librosa.feature.mfcc has it.
    """
    if not self.lifter:
      return np.ones(self.num_coefficients, np.float32)
    phase = np.pi * np.arange(1, self.num_coefficients + 1) / self.lifter
    factors: NDArray[np.float32] = (1 + self.lifter / 2 * elementary.sin(phase)).astype(np.float32)
    return factors

  def delta_weights(self) -> NDArray[np.float32]:
    """Weights of the frames around one, float32 [deltas, delta_frames].

    The slope of the straight line, and the second derivative of the parabola, that fit the frames
    best: Savitzky-Golay filters, those of librosa.feature.delta(order=1) and (order=2).
    """
    place = np.arange(self.delta_frames) - self.delta_frames // 2
    bend = place**2 - np.mean(place**2)
    weights = np.stack([place / np.sum(place**2), 2 * bend / np.sum(bend**2)])
    return weights[: self.deltas].astype(np.float32)


def shape(settings: Mfcc, spec: audio.AudioSpec) -> tuple[int | None, ...]:
  """(num_frames, coefficients, then their deltas, then the deltas of these)."""
  return mel_energy.shape(settings, spec)[0], settings.num_columns


def kernel(settings: Mfcc, spec: audio.AudioSpec) -> feature.Kernel:
  """Returns a kernel: [clips, num_samples] -> [clips, num_frames, num_columns].

  Orthonormal DCT-II of ln(energy + floor): librosa.feature.mfcc(S=log_mel, norm='ortho'). Of
  decibels it would be 10 / ln(10) = 4.34 times that. Deltas take the first and the last frame to go
  on for ever: librosa.feature.delta(mode='nearest').
  """
  shape(settings, spec)
  floor = np.float32(settings.floor)
  lifting = settings.lifting()[:, None]
  num_coefficients = settings.num_coefficients

  def change(energies: NDArray[np.float32]) -> NDArray[np.float32]:
    logarithm.log(np.add(energies, floor, out=energies))
    # [num_mels, rows]: rows are a multiple of spectrum.ROW_MULTIPLE, for the reason given there.
    cepstrum = scipy.fft.dct(energies, type=2, norm='ortho', axis=0, overwrite_x=True)
    kept: NDArray[np.float32] = cepstrum[:num_coefficients] * lifting
    return kept.T

  plain = mel_energy.MelEnergies(settings, spec).kernel(num_coefficients, change)

  def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    coefficients = plain(batch)
    deltas = [_weighted(coefficients, weights) for weights in settings.delta_weights()]
    return np.concatenate([coefficients, *deltas], axis=-1) if deltas else coefficients

  return compute


def _weighted(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
  """Weighted sum of the frames around each: [clips, num_frames, columns] of both."""
  num_frames = values.shape[1]
  if not values.size:
    return np.empty_like(values)
  reach = len(weights) // 2
  padded = np.pad(values, ((0, 0), (reach, reach), (0, 0)), mode='edge')
  total = np.zeros_like(values)
  for place, weight in enumerate(weights):
    total += weight * padded[:, place : place + num_frames]
  return total


FEATURE = feature.Feature(
  settings=Mfcc, shape=shape, kernel=kernel, has_twin=True, min_samples=frames_lib.min_samples
)
