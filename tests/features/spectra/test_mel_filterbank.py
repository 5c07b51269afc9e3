import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import log_mel, mel
from features.spectra import mel_filterbank
from schemas import audio, errors


def bank(**values):
  defaults = {
    'num_mels': 40,
    'fft_samples': 512,
    'sample_rate_hz': 16_000,
    'low_hz': 20.0,
    'high_hz': 7_600.0,
  }
  return mel_filterbank.Bank(**{**defaults, **values})


@pytest.mark.parametrize('num_mels', [20, 64, 80, 128])
@pytest.mark.parametrize(('low_hz', 'high_hz'), [(0.0, 8_000.0), (20.0, 7_600.0), (125.0, 4_000.0)])
def test_htk_agrees_with_tensorflow(num_mels, low_hz, high_hz):
  tf = pytest.importorskip('tensorflow')
  theirs = tf.signal.linear_to_mel_weight_matrix(num_mels, 257, 16_000, low_hz, high_hz).numpy()
  ours = bank(num_mels=num_mels, low_hz=low_hz, high_hz=high_hz).weights()
  # TensorFlow computes in float32, where a mel near 2840 has steps of 2.4e-4; the slope of a filter
  # (1 / 22 a mel for 128 of them) brings that to 1e-5. Measured: up to 2.0e-5.
  np.testing.assert_allclose(ours, theirs, atol=5e-5)


@pytest.mark.filterwarnings('ignore:Empty filters')
@pytest.mark.parametrize('num_mels', [20, 40, 80, 128])
@pytest.mark.parametrize('fft_samples', [512, 2048])
@pytest.mark.parametrize(('low_hz', 'high_hz'), [(0.0, 8_000.0), (20.0, 7_600.0), (300.0, 900.0)])
def test_slaney_agrees_with_librosa(num_mels, fft_samples, low_hz, high_hz):
  theirs = librosa.filters.mel(
    sr=16_000, n_fft=fft_samples, n_mels=num_mels, fmin=low_hz, fmax=high_hz, htk=False
  )
  ours = bank(
    num_mels=num_mels, fft_samples=fft_samples, low_hz=low_hz, high_hz=high_hz, scale='slaney'
  )
  # Both compute in float64 and round to float32 at the end.
  np.testing.assert_allclose(ours.weights(), theirs.T, rtol=2e-6, atol=1e-9)


def test_known_mels():
  # By definition 1000 Hz is 1000 mels, and Slaney's scale has 15 below 1 kHz and 27 from there to
  # 6.4 kHz.
  np.testing.assert_allclose(mel_filterbank.hz_to_mel(np.array([1000.0]), 'htk'), 1000, atol=0.1)
  slaney = mel_filterbank.hz_to_mel(np.array([0.0, 500.0, 1000.0, 6400.0]), 'slaney')
  np.testing.assert_allclose(slaney, [0, 7.5, 15, 42])


@given(hz=st.floats(0, 100_000), scale=st.sampled_from(mel_filterbank.SCALES))
def test_mels_are_read_back_as_hz(hz, scale):
  mels = mel_filterbank.hz_to_mel(np.array([hz]), scale)
  np.testing.assert_allclose(mel_filterbank.mel_to_hz(mels, scale), [hz], rtol=1e-9, atol=1e-9)


def test_htk_filters_sum_to_one_between_the_outer_peaks():
  weights = bank(num_mels=30).weights()
  peaks = weights.argmax(axis=0)
  np.testing.assert_allclose(weights[peaks[0] + 1 : peaks[-1]].sum(axis=1), 1.0, atol=1e-6)


def test_slaney_filters_have_an_area_of_one():
  weights = bank(num_mels=30, fft_samples=1 << 15, scale='slaney').weights()
  np.testing.assert_allclose(weights.sum(axis=0) * 16_000 / (1 << 15), 1.0, atol=1e-3)


def test_weights_cannot_be_changed_for_everybody():
  with pytest.raises(ValueError, match='read-only'):
    bank().weights()[0, 0] = 1.0


def test_empty_filters_are_refused_with_what_would_fit():
  settings = log_mel.LogMel(num_mels=128)
  with pytest.raises(errors.FeatureError) as error:
    settings.filterbank(audio.AudioSpec())
  assert str(error.value) == (
    '128 mel filters from 20 to 8000 Hz are too many for bins 31.25 Hz apart: 1 of them would lie '
    'between two bins and always be silent. Use num_mels=126 or fewer, or fft_samples=1024.'
  )
  # What it advises does fit, and one more does not.
  assert log_mel.LogMel(num_mels=126).filterbank(audio.AudioSpec()).any(axis=0).all()
  assert settings.__class__(num_mels=128, fft_samples=1024).filterbank(audio.AudioSpec()).size
  with pytest.raises(errors.FeatureError, match='127 mel filters'):
    log_mel.LogMel(num_mels=127).filterbank(audio.AudioSpec())


def test_absurdly_many_filters_are_refused_at_once():
  with pytest.raises(errors.FeatureError, match='always be silent. Use num_mels=126 or fewer'):
    log_mel.LogMel(num_mels=10**9).filterbank(audio.AudioSpec())


def test_a_band_between_two_bins_needs_a_longer_transform():
  with pytest.raises(errors.FeatureError, match=r'Use fft_samples=4096, or a wider band'):
    log_mel.LogMel(num_mels=3, low_hz=20.0, high_hz=30.0).filterbank(audio.AudioSpec())


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'num_mels': 0}, 'num_mels must be at least 1, got 0'),
    ({'scale': 'bark'}, "scale must be htk or slaney, got 'bark'"),
    ({'low_hz': -1.0}, 'low_hz must be at least 0 Hz, got -1.0'),
    ({'low_hz': float('nan')}, 'low_hz must be'),
    ({'high_hz': 10.0}, 'high_hz must be above low_hz=20 Hz, or 0 for half the .* rate, got 10'),
    ({'low_hz': 100.0, 'high_hz': 100.0}, 'high_hz must be above low_hz=100 Hz'),
    ({'high_hz': float('inf')}, 'high_hz must be above'),
    ({'high_hz': -1.0}, 'high_hz must be above'),
  ],
)
@pytest.mark.parametrize('settings', [mel.Mel, log_mel.LogMel])
def test_nonsense_is_refused_at_birth(settings, values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    settings(**values)


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'high_hz': 8_001.0}, 'high_hz=8001 is above half the sample rate of 16000 Hz'),
    ({'low_hz': 8_000.0}, 'low_hz=8000 must be below the upper edge of 8000 Hz'),
  ],
)
def test_a_band_outside_of_the_spectrum_is_refused(values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    log_mel.LogMel(**values).filterbank(audio.AudioSpec())


def test_float16_is_refused_for_energies_just_where_they_can_overflow():
  narrow = mel.Mel(dtype='float16')
  assert mel.shape(narrow, audio.AudioSpec()) == (98, 80)
  with pytest.raises(
    errors.FeatureError, match='can reach 4.61e.05 .* at 48000 Hz, float16 ends at 65504. Use dtype'
  ):
    mel.shape(narrow, audio.AudioSpec(sample_rate_hz=48_000))


@pytest.mark.parametrize('sample_rate_hz', [8_000, 16_000, 48_000])
@pytest.mark.parametrize('scale', mel_filterbank.SCALES)
def test_no_full_scale_signal_exceeds_the_bound(sample_rate_hz, scale):
  spec = audio.AudioSpec(sample_rate_hz=sample_rate_hz, clip_s=0.1)
  settings = mel.Mel(scale=scale, num_mels=40)
  seconds = np.arange(spec.clip_samples) / sample_rate_hz
  frequencies = np.concatenate([[0.0], np.geomspace(20, sample_rate_hz / 2, 60)])[:, None]
  square = np.where(np.cos(2 * np.pi * frequencies * seconds) >= 0, 1, -1).astype(np.float32)
  highest = mel.kernel(settings, spec)(square).max()
  bound = mel.highest_energy(settings, spec)
  assert 0.4 * bound < highest <= bound  # Neither wrong nor useless.
