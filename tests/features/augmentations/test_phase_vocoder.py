"""The phase vocoder against librosa, and on signals whose answer is known."""

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.augmentations import phase_vocoder, pitch_shift
from tests.features.augmentations import pitch
from tests.helpers import signals

RATES = [0.5, 0.8, 1.0, 1.2, 4 / 3, 2.5]
WINDOW = 1024

NOISE_WITH_A_GAP = signals.noise(16_000)
NOISE_WITH_A_GAP[4_000:9_000] = 0

# Signals with something in every bin. Where a bin is empty but for rounding, as with a sine alone,
# its phase is that of the rounding, and no two programs agree on it.
SIGNALS = {
  'noise': signals.noise(16_000),
  'quiet noise': signals.noise(16_000, seed=1, amplitude=1e-4),
  'impulse': signals.impulse(16_000, at=8_000),
  'noise with a gap': NOISE_WITH_A_GAP,
  'sine in noise': signals.sine(16_000, sample_rate_hz=16_000, hz=441.0)
  + signals.noise(16_000, amplitude=1e-3),
  'silence': np.zeros(16_000, np.float32),
}

every_signal = pytest.mark.parametrize('samples', SIGNALS.values(), ids=SIGNALS)


def close(ours, theirs):
  # librosa is given doubles: in float32 it adds up its phases in float32 and is 1e-3 off after a
  # second. Measured against it in doubles: up to 4e-7 of the peak; 1e-5 for the sine in noise, the
  # faint bins of which hear the rounding of our float32 window.
  assert ours.dtype == np.float32
  assert ours.shape == theirs.shape
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-5 * max(1e-9, np.abs(theirs).max()))


@every_signal
@pytest.mark.parametrize('rate', RATES)
def test_it_agrees_with_librosa(samples, rate):
  ours = phase_vocoder.stretched(samples, rate, window_samples=WINDOW)
  close(ours, librosa.effects.time_stretch(samples.astype(np.float64), rate=rate, n_fft=WINDOW))


@pytest.mark.parametrize('sample_rate_hz', [8_000, 22_050, 44_100])
def test_it_agrees_with_librosa_at_the_window_of_other_rates(sample_rate_hz):
  window = phase_vocoder.window_samples(sample_rate_hz)
  samples = signals.noise(sample_rate_hz)
  ours = phase_vocoder.stretched(samples, 1.1, window_samples=window)
  close(ours, librosa.effects.time_stretch(samples.astype(np.float64), rate=1.1, n_fft=window))


@every_signal
@pytest.mark.parametrize('semitones', [-12.0, -2.0, -0.5, 0.0, 1.5, 7.0])
def test_the_shift_of_pitch_agrees_with_librosa(samples, semitones):
  ours = pitch_shift.shifted(samples, semitones, window_samples=WINDOW)
  theirs = librosa.effects.pitch_shift(
    samples.astype(np.float64), sr=16_000, n_steps=semitones, n_fft=WINDOW
  )
  close(ours, theirs)


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('hz', [97.0, 440.0, 1_000.0, 3_333.3])
def test_a_sine_keeps_its_frequency_and_gets_shorter(rate, hz):
  samples = signals.sine(16_000, sample_rate_hz=16_000, hz=hz, amplitude=0.5)
  found = phase_vocoder.stretched(samples, rate, window_samples=WINDOW)
  assert len(found) == round(16_000 / rate)
  inner = found[1_024:-1_024]
  assert pitch.of(inner, sample_rate_hz=16_000) == pytest.approx(hz, rel=1e-3)
  # 1.2 dB lost at half the speed, as librosa's do.
  assert 0.86 < np.sqrt(2 * np.mean(inner**2)) / 0.5 < 1.01


def test_the_window_is_50_to_100_ms():
  for sample_rate_hz in (1_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 768_000):
    window = phase_vocoder.window_samples(sample_rate_hz)
    assert window & (window - 1) == 0
    assert 0.05 <= window / sample_rate_hz < 0.103
  assert phase_vocoder.window_samples(16_000) == 1_024


@settings(max_examples=60)
@given(
  num_samples=st.integers(1, 6_000),
  rate=st.floats(0.25, 4.0),
  window=st.sampled_from([64, 256, 1_024]),
)
def test_any_length_and_rate(num_samples, rate, window):
  found = phase_vocoder.stretched(signals.noise(num_samples), rate, window_samples=window)
  assert len(found) == max(1, round(num_samples / rate))
  assert found.dtype == np.float32
  assert np.isfinite(found).all()


@pytest.mark.parametrize('rate', [0.31, 1.0, 1.07, 3.9])
def test_the_blocks_do_not_show(monkeypatch, rate):
  samples = signals.noise(30_000)
  found = []
  for frames in (1, 7, 256, 10_000):
    monkeypatch.setattr(phase_vocoder, 'BLOCK_FRAMES', frames)
    found.append(phase_vocoder.stretched(samples, rate, window_samples=256))
  for other in found[1:]:
    np.testing.assert_allclose(other, found[0], rtol=0, atol=1e-6)


def test_a_long_recording_stays_steady():
  samples = signals.sine(480_000, sample_rate_hz=16_000, hz=441.0) + signals.noise(
    480_000, amplitude=1e-3
  )
  found = phase_vocoder.stretched(samples, 1.0, window_samples=WINDOW)
  np.testing.assert_allclose(found, samples, rtol=0, atol=1e-6)
