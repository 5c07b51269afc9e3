"""Cepstral coefficients against librosa in float64, and spectra whose cepstrum is known."""

import os
import pathlib

import librosa
import numpy as np
import pytest
import scipy.signal

from features import log_mel, mfcc
from features.decoding import clips
from schemas import audio, errors
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5)
MIXTURE = signals.mixture(AUDIO.clip_samples, sample_rate_hz=AUDIO.sample_rate_hz)


def coefficients(batch, spec=AUDIO, **values):
  return mfcc.kernel(mfcc.Mfcc(**values), spec)(batch)


def by_librosa(energy, settings):
  """From energies, float64 [clips, num_frames, num_mels]; the columns are in our order."""
  logs = np.log(energy + settings.floor).transpose(0, 2, 1)
  static = librosa.feature.mfcc(
    S=logs, n_mfcc=settings.num_coefficients, norm='ortho', lifter=settings.lifter
  )
  deltas = [
    librosa.feature.delta(static, width=settings.delta_frames, order=order, mode='nearest')
    for order in range(1, settings.deltas + 1)
  ]
  return np.concatenate([static, *deltas], axis=1).transpose(0, 2, 1)


def energies_by_librosa(batch, spec, settings):
  """Mel energies in float64 with librosa's frames and filters; see test_kernels.py."""
  frames = settings.frames(spec)
  missing = frames.transform_samples - frames.window_samples
  spectrum = librosa.stft(
    np.pad(batch.astype(np.float64), ((0, 0), (missing // 2, missing - missing // 2))),
    n_fft=frames.transform_samples,
    hop_length=frames.hop_samples,
    win_length=frames.window_samples,
    window='hann',
    center=False,
  )
  filters = librosa.filters.mel(
    sr=spec.sample_rate_hz,
    n_fft=frames.transform_samples,
    n_mels=settings.num_mels,
    fmin=settings.low_hz,
    dtype=np.float64,
  )
  return (filters @ np.abs(spectrum) ** 2).transpose(0, 2, 1)


@pytest.mark.parametrize(
  'values',
  [
    {},
    {'num_coefficients': 40},
    {'num_coefficients': 1},
    {'num_coefficients': 13, 'lifter': 22.0},
    {'deltas': 1},
    {'deltas': 2, 'lifter': 22.0},
    {'deltas': 2, 'delta_frames': 3},
    {'deltas': 2, 'delta_frames': 15, 'hop_s': 0.02},
  ],
)
def test_it_agrees_with_librosa_on_what_log_mel_gives(values):
  settings = mfcc.Mfcc(num_mels=40, **values)
  shared = {name: values[name] for name in values if name == 'hop_s'}
  logs = log_mel.kernel(log_mel.LogMel(num_mels=40, **shared), AUDIO)(MIXTURE)
  energy = np.exp(logs.astype(np.float64)) - settings.floor
  ours = mfcc.kernel(settings, AUDIO)(MIXTURE)
  assert ours.shape == (len(MIXTURE), *mfcc.shape(settings, AUDIO))
  # Up to 224 in size, 87 of them added up in float32. Measured: up to 4.5e-5.
  np.testing.assert_allclose(ours, by_librosa(energy, settings), atol=5e-4)


def test_it_agrees_with_librosa_from_the_samples_on():
  settings = mfcc.Mfcc(num_mels=40, scale='slaney', deltas=2)
  theirs = by_librosa(energies_by_librosa(MIXTURE, AUDIO, settings), settings)
  ours = mfcc.kernel(settings, AUDIO)(MIXTURE)
  # Measured: up to 2e-5, of values up to 90.
  np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_decibels_are_a_constant_times_it():
  settings = mfcc.Mfcc(num_mels=40, floor=1e-10)
  noise = signals.noise(AUDIO.clip_samples)[None]
  logs = log_mel.kernel(log_mel.LogMel(num_mels=40, floor=1e-10), AUDIO)(noise)
  decibels = librosa.power_to_db(np.exp(logs.astype(np.float64)), top_db=None)
  theirs = librosa.feature.mfcc(S=decibels.transpose(0, 2, 1), n_mfcc=20).transpose(0, 2, 1)
  ours = mfcc.kernel(settings, AUDIO)(noise) * (10 / np.log(10))
  np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_all_coefficients_hold_all_of_the_log_mel():
  logs = log_mel.kernel(log_mel.LogMel(num_mels=40), AUDIO)(MIXTURE)
  ours = coefficients(MIXTURE, num_mels=40, num_coefficients=40)
  np.testing.assert_allclose(scipy.fft.idct(ours, norm='ortho'), logs, atol=1e-4)


def test_silence_is_all_in_the_first():
  ours = coefficients(np.zeros_like(MIXTURE), num_mels=40, deltas=2)
  np.testing.assert_allclose(ours[..., 0], np.log(1e-6) * np.sqrt(40), rtol=1e-6)
  np.testing.assert_allclose(ours[..., 1:], 0, atol=2e-5)


def test_the_weights_are_those_of_savitzky_and_golay():
  for width in (3, 5, 9, 31):
    weights = mfcc.Mfcc(deltas=2, delta_frames=width).delta_weights()
    for order in (1, 2):
      theirs = scipy.signal.savgol_coeffs(width, polyorder=order, deriv=order, use='dot')
      np.testing.assert_allclose(weights[order - 1], theirs, rtol=1e-6, atol=1e-8)


def test_deltas_of_a_ramp_and_a_parabola():
  # A sine that fades: each coefficient but the 0th stays, and that falls by the same each frame.
  seconds = np.arange(AUDIO.clip_samples) / 16_000
  fading = (signals.noise(160, amplitude=1.0)[np.arange(8_000) % 160] * np.exp(-seconds))[None]
  ours = coefficients(fading.astype(np.float32), floor=1e-20, deltas=2)
  inner = ours[0, 4:-4]  # At the edges the first and the last frame are repeated.
  np.testing.assert_allclose(inner[:, 20], -2 * 0.01 * np.sqrt(80), rtol=1e-3)
  np.testing.assert_allclose(inner[:, 21:40], 0, atol=1e-4)
  np.testing.assert_allclose(inner[:, 40:], 0, atol=1e-4)


@pytest.mark.parametrize('num_frames', [1, 2, 5, 8, 9, 10])
def test_clips_shorter_than_the_width_have_deltas(num_frames):
  spec = audio.AudioSpec(clip_s=(400 + 160 * (num_frames - 1)) / 16_000)
  settings = mfcc.Mfcc(num_mels=40, deltas=2)
  noise = signals.noise(spec.clip_samples)[None]
  ours = mfcc.kernel(settings, spec)(noise)
  assert ours.shape == (1, num_frames, 60)
  static = ours[..., :20].astype(np.float64)
  for order in (1, 2):
    theirs = scipy.signal.savgol_filter(
      static, 9, polyorder=order, deriv=order, axis=1, mode='nearest'
    )
    np.testing.assert_allclose(ours[..., 20 * order : 20 * order + 20], theirs, atol=1e-4)


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'num_coefficients': 0}, r'num_coefficients must be in \[1, num_mels=80\], got 0'),
    ({'num_coefficients': 81}, r'num_coefficients must be in \[1, num_mels=80\], got 81'),
    ({'lifter': -1.0}, 'lifter must be positive, or 0 for none, got -1.0'),
    ({'lifter': float('inf')}, 'lifter must be positive'),
    ({'deltas': 3}, 'deltas must be 0, 1 or 2, got 3'),
    ({'delta_frames': 4}, r'delta_frames must be an odd number in \[3, 99\], got 4'),
    ({'delta_frames': 1}, 'delta_frames must be an odd number'),
    ({'delta_frames': 101}, 'delta_frames must be an odd number'),
    ({'floor': 0.0}, 'floor must be positive'),
    ({'num_mels': 0}, 'num_mels must be at least 1'),
  ],
)
def test_nonsense_is_refused_at_birth(values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    mfcc.Mfcc(**values)


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_real_digits_agree_with_librosa():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  settings = mfcc.Mfcc(num_mels=40, scale='slaney', deltas=2)
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::40]
  batch = np.stack([clips.decode(clips.read_bytes(str(path)), spec).samples for path in paths])
  theirs = by_librosa(energies_by_librosa(batch, spec, settings), settings)
  # Measured over 500 clips: up to 1.9e-5, of values up to 90.
  np.testing.assert_allclose(mfcc.kernel(settings, spec)(batch), theirs, atol=2e-4)
