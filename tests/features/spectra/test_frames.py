import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from features import log_mel, stft
from features.spectra import frames as frames_lib
from schemas import audio, errors


@pytest.mark.parametrize('window_samples', [2, 199, 200, 400, 1024])
def test_window_is_scipys_periodic_hann(window_samples):
  expected = scipy.signal.get_window('hann', window_samples, fftbins=True)
  window = frames_lib.hann_window(window_samples)
  assert window.dtype == np.float32
  np.testing.assert_allclose(window, expected, atol=6e-8)  # Half a step of float32 at 1.


def test_window_is_tensorflows():
  tf = pytest.importorskip('tensorflow')
  theirs = tf.signal.hann_window(400).numpy()
  # TensorFlow takes the cosine of a float32 phase near 2 pi. Measured: up to 2.4e-7.
  np.testing.assert_allclose(frames_lib.hann_window(400), theirs, atol=4e-7)


def test_windows_half_overlapped_add_up_to_one():
  window = frames_lib.hann_window(256)
  np.testing.assert_allclose(window[:128] + window[128:], 1.0, atol=1e-6)


def test_window_cannot_be_changed_for_everybody():
  with pytest.raises(ValueError, match='read-only'):
    frames_lib.hann_window(400)[0] = 1.0


@given(
  num_samples=st.integers(0, 300),
  window_samples=st.integers(2, 60),
  hop_samples=st.integers(1, 60),
)
def test_frames_are_the_slices_that_fit(num_samples, window_samples, hop_samples):
  hop_samples = min(hop_samples, window_samples)
  frames = audio.FrameSpec(
    sample_rate_hz=1000, window_s=window_samples / 1000, hop_s=hop_samples / 1000
  )
  batch = np.arange(2 * num_samples, dtype=np.float32).reshape(2, num_samples)
  starts = range(0, num_samples - window_samples + 1, hop_samples)
  view = frames_lib.frame_view(batch, frames)
  assert view.shape == (2, len(starts), window_samples)
  assert frames.num_frames(num_samples) == len(starts)
  for index, start in enumerate(starts):
    np.testing.assert_array_equal(view[:, index], batch[:, start : start + window_samples])


def test_frames_are_a_view():
  batch = np.zeros((3, 16_000), np.float32)
  view = frames_lib.frame_view(batch, frames_lib.FrameSettings().frames(audio.AudioSpec()))
  assert np.shares_memory(view, batch)


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'hop_s': 0.03}, r'hop_s must be in \(0, window_s=0.025\] seconds, got 0.03'),
    ({'hop_s': 0.0}, 'hop_s must be in'),
    ({'hop_s': -1.0}, 'hop_s must be in'),
    ({'window_s': float('nan')}, 'hop_s must be in'),
    ({'window_s': float('inf')}, 'hop_s must be in'),
    ({'window_s': -0.025}, 'hop_s must be in'),
    ({'fft_samples': -1}, r'fft_samples must be in \[0, 1048576\] samples, got -1'),
    ({'fft_samples': 1 << 21}, 'fft_samples must be in'),
    ({'dtype': 'int16'}, "dtype must be float16 or float32 here, got 'int16'"),
    ({'dtype': 'float64'}, "dtype must be float16 or float32 here, got 'float64'"),
    ({'dtype': ''}, 'dtype must be'),
    (
      {'floor': 0.0},
      r'floor must be positive and finite, in \[1.2e-38, 1e\+30\], got 0.0. Silence',
    ),
    ({'floor': 1e-40}, 'floor must be positive'),
    ({'floor': -1e-6}, 'floor must be positive'),
    ({'floor': 1e-60}, 'floor must be positive'),  # Nothing in float32.
    ({'floor': float('nan')}, 'floor must be positive'),
    ({'floor': float('inf')}, 'floor must be positive'),
  ],
)
@pytest.mark.parametrize('settings', [stft.Stft, log_mel.LogMel])
def test_nonsense_is_refused_at_birth(settings, values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    settings(**values)


@pytest.mark.parametrize(
  ('values', 'spec', 'sentence'),
  [
    (
      {'fft_samples': 256},
      {},
      'fft_samples must be 0 or at least the window of 400 samples, got 256',
    ),
    ({'window_s': 0.00005, 'hop_s': 0.00005}, {}, 'must be at least 2 and 1 samples at 16000 Hz'),
    (
      {'window_s': 100.0},
      {'clip_s': 200.0},
      'window_s=100.0 is 1600000 samples at 16000 Hz; the transform may have at most 1048576',
    ),
    (
      {},
      {'clip_s': 0.02},
      r'A clip of 0.02 s \(320 samples at 16000 Hz\) is shorter than one window of 400 samples',
    ),
  ],
)
def test_what_does_not_fit_the_audio_is_refused(values, spec, sentence):
  with pytest.raises(errors.VoxshardError, match=sentence):
    frames_lib.FrameSettings(**values).num_frames(audio.AudioSpec(**spec))
