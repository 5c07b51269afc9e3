"""Onset strength and tempogram against librosa, and click tracks whose tempo is known."""

import os
import pathlib

import librosa
import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st

import features
from features import tempogram
from features.decoding import clips
from features.spectra import frames, onset
from schemas import audio, errors
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=1.0)
ANY_LENGTH = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0)
MIXTURE = signals.mixture(AUDIO.clip_samples, sample_rate_hz=AUDIO.sample_rate_hz)


def tempo_settings(**values):
  return tempogram.Tempogram(**{'dtype': 'float32', 'scale': 'slaney', **values})


def kernel(spec=AUDIO, **values):
  return tempogram.kernel(tempo_settings(**values), spec)


def envelopes(batch, spec=AUDIO, **values):
  member_settings = tempo_settings(**values)
  source = onset.OnsetStrength(member_settings, spec, top_db=member_settings.top_db)
  return source.envelopes(batch)


def onsets_by_librosa(batch, *, sample_rate_hz=16_000):
  """Returns onset strength in float64, [clips, num_frames]."""
  window_samples, hop_samples = sample_rate_hz // 40, sample_rate_hz // 100
  fft_samples = 1 << (window_samples - 1).bit_length()
  before = (fft_samples - window_samples) // 2  # See test_kernels.power_by_librosa.
  filters = librosa.filters.mel(sr=sample_rate_hz, n_fft=fft_samples, n_mels=64, fmin=20.0)
  found = []
  for clip in batch.astype(np.float64):
    spectrum = librosa.stft(
      np.pad(clip, (before, fft_samples - window_samples - before)),
      n_fft=fft_samples,
      hop_length=hop_samples,
      win_length=window_samples,
      center=False,
    )
    levels = librosa.power_to_db(filters.astype(np.float64) @ np.abs(spectrum) ** 2)
    found.append(librosa.onset.onset_strength(S=levels, center=False))
  return np.stack(found)


def tempogram_by_librosa(onsets, *, num_lags=100, norm=True):
  """Returns float64 [clips, num_frames, num_lags].

  librosa makes every frame that is not zero as large as any other, also where the only onsets are
  the rounding of float32: there our norm has a least value.
  """
  result = librosa.feature.tempogram(onset_envelope=onsets, win_length=num_lags, norm=None)
  result = result.transpose(0, 2, 1)
  least = tempogram.LEAST_ONSET_DB**2 * np.square(frames.hann_window(num_lags)).sum()
  return result / np.maximum(result[..., :1], least) if norm else result


def click_track(*, beats_per_minute, duration_s, sample_rate_hz=16_000):
  samples = np.zeros(round(duration_s * sample_rate_hz), np.float32)
  period = 60 * sample_rate_hz / beats_per_minute
  click = signals.noise(320, amplitude=0.5)
  for start in np.arange(1_000, len(samples) - 320, period).astype(int):
    samples[start : start + 320] = click
  return samples


def test_onset_strength_agrees_with_librosa():
  ours, theirs = envelopes(MIXTURE), onsets_by_librosa(MIXTURE)
  assert theirs.max() > 50  # The impulse.
  # In dB. Measured: up to 1.2e-6.
  np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_tempogram_agrees_with_librosa():
  theirs = tempogram_by_librosa(onsets_by_librosa(MIXTURE))
  # Measured: up to 4.2e-7, and 5.0e-5 for a steady tone, whose onsets are hardly any.
  np.testing.assert_allclose(kernel()(MIXTURE), theirs, atol=2e-4)


@pytest.mark.parametrize('num_lags', [2, 3, 50, 99, 101, 250])
def test_the_autocorrelation_agrees_with_librosa(num_lags):
  # Odd, even, and longer than the clip.
  onsets = envelopes(MIXTURE)
  ours = kernel(tempo_window_s=num_lags / 100, norm='none')(MIXTURE)
  theirs = tempogram_by_librosa(onsets.astype(np.float64), num_lags=num_lags, norm=False)
  # Relative to the largest. Measured: up to 3e-7.
  np.testing.assert_allclose(ours / theirs.max(), theirs / theirs.max(), atol=2e-6)


@pytest.mark.parametrize('beats_per_minute', [75, 90, 120, 150])
def test_a_click_track_peaks_at_its_tempo(beats_per_minute):
  clicks = click_track(beats_per_minute=beats_per_minute, duration_s=6.0)
  array = kernel(ANY_LENGTH, tempo_window_s=4.0)(clicks[None])[0]
  lag_frames = 60 / beats_per_minute / 0.010
  # From 0.3 s on: at lag 0 everything agrees with itself.
  inner = array[200:400, 30:]
  assert (np.abs(inner.argmax(axis=1) + 30 - lag_frames) <= 1).all()
  assert inner.max() > 0.7  # 1, but for the window.


def test_noise_has_no_tempo():
  compute = kernel(ANY_LENGTH, tempo_window_s=4.0)
  noise = signals.noise(96_000)
  clicks = click_track(beats_per_minute=120, duration_s=6.0)
  for samples, least, most in ((noise, 0.0, 0.1), (clicks, 0.8, 1.0)):
    inner = compute(samples[None])[0, 200:400]
    peak = inner[:, 48:53].max(axis=1) - np.median(inner[:, 30:100], axis=1)
    assert least < peak.min() <= peak.max() < most


def test_an_impulse_is_one_onset():
  onsets = envelopes(signals.impulse(16_000, at=8_000)[None])[0]
  # The first window that reaches it begins at 48 hops and ends at 7680 + 400.
  assert onsets[48] > 10
  assert not onsets[:48].any()
  assert not onsets[51:].any()


def test_silence_and_steady_tones_have_no_onsets():
  # 440 Hz is no multiple of 100 Hz, so frames differ by their phase.
  tone = signals.sine(16_000, sample_rate_hz=16_000, hz=440.0)
  assert not kernel()(np.zeros((2, 16_000), np.float32)).any()
  steady = np.stack([signals.sine(16_000, sample_rate_hz=16_000, hz=1_000.0), 0 * tone])
  assert envelopes(steady).max() < tempogram.LEAST_ONSET_DB
  assert kernel()(steady).max() < 0.01


def test_loudness_makes_no_difference():
  loud = signals.noise(16_000)[None]
  np.testing.assert_allclose(kernel()(loud / 10), kernel()(loud), atol=1e-5)


@settings(max_examples=25)
@given(num_samples=st.integers(400, 20_000), tempo_window_s=st.floats(0.03, 2.0))
def test_clips_of_any_length(num_samples, tempo_window_s):
  member_settings = tempo_settings(tempo_window_s=tempo_window_s)
  batch = signals.noise(3 * num_samples).reshape(3, -1)
  compute = tempogram.kernel(member_settings, ANY_LENGTH)
  array = compute(batch)
  num_frames = 1 + (num_samples - 400) // 160
  assert array.shape == (3, num_frames, round(tempo_window_s * 100))
  assert np.isfinite(array).all()
  for index in range(3):
    assert compute(batch[index : index + 1])[0].tobytes() == array[index].tobytes()
  fixed = audio.AudioSpec(sample_rate_hz=16_000, clip_s=num_samples / 16_000)
  assert tempogram.shape(member_settings, fixed) == array.shape[1:]


def test_the_first_axis_follows_the_clip():
  assert tempogram.shape(tempo_settings(), ANY_LENGTH) == (None, 100)
  assert tempogram.FEATURE.min_samples(tempo_settings(), ANY_LENGTH) == 400


def test_a_lag_longer_than_the_clip_is_near_zero():
  array = kernel(tempo_window_s=3.0)(signals.noise(16_000)[None])[0]
  assert array.shape == (98, 300)
  # Beyond the end the envelope falls in a straight line, which is all that is left there.
  assert np.abs(array[:, 250:]).max() < 0.01


def test_bits_do_not_depend_on_the_number_of_threads():
  batch = signals.noise(10 * AUDIO.clip_samples).reshape(10, -1)
  results = set()
  for threads in (1, 2):
    with threadpoolctl.threadpool_limits(threads):
      results.add(kernel()(batch).tobytes())
  assert len(results) == 1


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'top_db': 0.0}, 'top_db must be positive, such as 80 dB, got 0.0'),
    ({'top_db': float('inf')}, 'top_db must be positive'),
    ({'norm': 'l2'}, "norm must be inf or none, got 'l2'"),
    ({'tempo_window_s': 0.015}, 'tempo_window_s must be at least two hops of 0.01 seconds, got'),
    ({'tempo_window_s': float('nan')}, 'tempo_window_s must be'),
    ({'num_mels': 0}, 'num_mels must be at least 1'),
  ],
)
def test_nonsense_is_refused_at_birth(values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    tempogram.Tempogram(**values)


def test_what_does_not_fit_is_refused():
  with pytest.raises(errors.FeatureError, match='is 10000 frames of 0.01 s; there may be at most'):
    kernel(tempo_window_s=100.0)
  with pytest.raises(errors.FeatureError, match='Without a norm a tempogram can reach 2.4e.05'):
    tempogram.shape(tempo_settings(norm='none', dtype='float16'), AUDIO)
  with pytest.raises(errors.FeatureError, match='filters .* are too many'):
    kernel(num_mels=200)


def test_the_command_line():
  name, parsed = features.parse('tempogram:tempo_window_s=8,hop_s=0.02,norm=none,dtype=float32')
  assert features.spec(name, parsed, AUDIO).shape == (49, 400)


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_tempograms_of_real_digits_agree_with_librosa():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::40]
  batch = np.stack([clips.decode(clips.read_bytes(str(path)), spec).samples for path in paths])
  onsets = onsets_by_librosa(batch, sample_rate_hz=8_000)
  # Measured over 200 of the corpus: up to 2.5e-5 dB and 1.9e-6.
  np.testing.assert_allclose(envelopes(batch, spec), onsets, atol=2e-4)
  np.testing.assert_allclose(kernel(spec)(batch), tempogram_by_librosa(onsets), atol=2e-5)
