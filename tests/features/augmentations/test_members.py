"""What each augmentation does, by numbers known without it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import augmentations, stored_form
from features.augmentations import (
  augmentation,
  chain,
  gain,
  phase_vocoder,
  pitch_shift,
  speed,
  time_shift,
)
from schemas import errors
from tests.features.augmentations import pitch
from tests.helpers import signals

SINE = signals.sine(16_000, sample_rate_hz=16_000, hz=440.0, amplitude=0.3)


def white_noise(generator, num_samples):
  return generator.normal(0, 0.01, num_samples).astype(np.float32)


def run(option, samples, *, noise=white_noise, copy=1):
  """Returns the samples and the drawn values of one augmentation."""
  made = chain.Chain([option], 16_000, noise)
  found, text = made.apply(samples, clip_id='anna/yes_0', copy=copy, seed=0)
  return found, dict(
    (key, float(value)) for key, value in (p.split('=') for p in text.partition(':')[2].split(','))
  )


def decibel(power):
  return 10 * math.log10(power)


def mean_power(samples):
  return float(np.mean(samples.astype(np.float64) ** 2))


@pytest.mark.parametrize('copy', range(1, 6))
@pytest.mark.parametrize('offset', [0.0, 0.3])
def test_noise_stands_at_the_drawn_ratio(copy, offset):
  def hum(generator, num_samples):
    return white_noise(generator, num_samples) + np.float32(offset)

  found, applied = run('background_noise:min_snr_db=-5,max_snr_db=30', SINE, noise=hum, copy=copy)
  added = found.astype(np.float64) - SINE
  measured = decibel(mean_power(SINE) / mean_power(added))
  assert measured == pytest.approx(applied['snr_db'], abs=0.01)
  assert -5 <= applied['snr_db'] <= 30


def test_padding_does_not_count_as_audio_and_is_filled_with_noise():
  padded = np.concatenate([np.zeros(3_000, np.float32), SINE, np.zeros(13_000, np.float32)])
  found, applied = run('background_noise', padded)
  added = found.astype(np.float64) - padded
  # Without the first and last sample of the sine: these are zero too.
  expected = decibel(mean_power(np.trim_zeros(SINE)) / mean_power(added))
  assert applied['snr_db'] == pytest.approx(expected, abs=0.01)
  assert mean_power(added[:3_000]) == pytest.approx(mean_power(added[-3_000:]), rel=0.1)


def test_noise_in_silence_has_the_stated_level():
  silence = np.zeros(16_000, np.float32)
  found, applied = run('background_noise:silence_db=-30', silence)
  assert applied == {'noise_db': -30.0}
  assert decibel(mean_power(found)) == pytest.approx(-30, abs=0.01)


@pytest.mark.parametrize('samples', [SINE, np.zeros(100, np.float32)], ids=['sine', 'silence'])
def test_noise_that_is_silence_leaves_the_clip(samples):
  found, applied = run('background_noise', samples, noise=lambda _, n: np.zeros(n, np.float32))
  assert applied == {'snr_db': math.inf}
  np.testing.assert_array_equal(found, samples)


@pytest.mark.parametrize('amplitude', [1e-42, 1e-20, 1e9])
def test_noise_of_any_level_is_scaled(amplitude):
  found, applied = run(
    'background_noise:min_snr_db=0,max_snr_db=0',
    SINE,
    noise=lambda generator, n: (amplitude * white_noise(generator, n) * 100).astype(np.float32),
  )
  measured = decibel(mean_power(SINE) / mean_power(found.astype(np.float64) - SINE))
  # 1e-42 is a few hundred of float32's least steps: the noise is coarse, its power exact.
  assert measured == pytest.approx(applied['snr_db'], abs=0.01)


@pytest.mark.parametrize(
  'noise',
  [
    lambda generator, n: np.zeros(n),
    lambda generator, n: np.zeros(n + 1, np.float32),
    lambda generator, n: np.zeros((1, n), np.float32),
  ],
)
def test_a_wrong_source_of_noise_is_named(noise):
  with pytest.raises(errors.FeatureError, match=r'Wanted noise as float32 \(16000,\), got float'):
    run('background_noise', SINE, noise=noise)


@given(
  samples=st.lists(st.integers(1, 9), min_size=1, max_size=20),
  shift=st.integers(-25, 25),
)
def test_a_shift_is_exact(samples, shift):
  found = time_shift.shifted(np.array(samples, np.float32), shift)
  expected = [
    samples[index - shift] if 0 <= index - shift < len(samples) else 0
    for index in range(len(samples))
  ]
  assert found.tolist() == expected


@pytest.mark.parametrize('copy', range(1, 8))
def test_the_recorded_shift_is_the_shift(copy):
  noise = signals.noise(16_000) + np.float32(1)  # No sample is zero.
  found, applied = run('time_shift:max_shift_s=0.25', noise, copy=copy)
  assert abs(applied['shift_s']) <= 0.25
  shift = round(applied['shift_s'] * 16_000)
  np.testing.assert_array_equal(found, time_shift.shifted(noise, shift))
  assert np.count_nonzero(found == 0) == abs(shift)


@pytest.mark.parametrize(('before', 'behind'), [(0, 900), (900, 0), (300, 50)])
def test_half_of_the_audio_stays_beside_padding(before, behind):
  padded = np.pad(np.ones(100, np.float32), (before, behind))
  kept, moved = [], []
  for copy in range(1, 80):
    found, _ = run('time_shift:max_shift_s=1', padded, copy=copy)
    kept.append(np.count_nonzero(found))
    moved.append(int(np.argmax(found)) - before)
  assert min(kept) >= 50
  assert max(kept) == 100
  # To both sides, and into the padding as far as it goes.
  assert min(moved) < -0.6 * before - 1 or not before
  assert max(moved) > 0.6 * behind


def test_a_short_clip_keeps_half_of_itself():
  short = np.ones(101, np.float32)
  for copy in range(1, 50):
    found, applied = run('time_shift:max_shift_s=60', short, copy=copy)
    assert np.count_nonzero(found) >= 50
    assert abs(applied['shift_s']) <= 101 / 2 / 16_000


@pytest.mark.parametrize('rate', [0.5, 0.9, 1.1, 1.2345, 2.0])
def test_speed_moves_the_pitch_and_the_length(rate):
  found, applied = run(f'speed:min_rate={rate},max_rate={rate}', SINE)
  assert applied == {'rate': rate}
  assert len(found) == round(16_000 / rate)
  expected = 0.3 * np.sin(2 * np.pi * 440 * rate / 16_000 * np.arange(len(found)))
  # Away from the ends, where the filter sees silence.
  np.testing.assert_allclose(found[500:-500], expected[500:-500], atol=1e-5)


def test_speed_leaves_nothing_above_half_the_rate():
  high = signals.sine(16_000, sample_rate_hz=16_000, hz=6_000.0)
  assert np.abs(speed.resampled(high, 2.0, num_samples=8_000)[500:-500]).max() < 1e-4


@pytest.mark.parametrize('semitones', [-12.0, -3.3, -0.5, 0.0, 1.0, 7.0, 12.0])
@pytest.mark.parametrize('sample_rate_hz', [8_000, 16_000, 44_100])
def test_a_sine_moves_by_the_semitones(semitones, sample_rate_hz):
  samples = signals.sine(sample_rate_hz, sample_rate_hz=sample_rate_hz, hz=440.0)
  window = phase_vocoder.window_samples(sample_rate_hz)
  found = pitch_shift.shifted(samples, semitones, window_samples=window)
  assert len(found) == len(samples)
  inner = found[window:-window]
  # 1e-3 is under 2 hundredths of a semitone.
  expected_hz = 440 * 2 ** (semitones / 12)
  assert pitch.of(inner, sample_rate_hz=sample_rate_hz) == pytest.approx(expected_hz, rel=1e-3)


def test_the_drawn_semitones_are_those_heard():
  for copy in range(1, 6):
    found, applied = run('pitch_shift:max_semitones=5', SINE, copy=copy)
    heard_hz = pitch.of(found[1_024:-1_024], sample_rate_hz=16_000)
    assert 12 * math.log2(heard_hz / 440) == pytest.approx(applied['semitones'], abs=0.02)


def test_gain_is_a_factor():
  for copy in range(1, 6):
    found, applied = run('gain:min_db=-12,max_db=12', SINE, copy=copy)
    assert -12 <= applied['gain_db'] <= 12
    np.testing.assert_allclose(found, SINE * 10 ** (applied['gain_db'] / 20), rtol=1e-6)


def test_what_is_too_loud_is_left_so_and_saturates_when_stored():
  found, _ = run('gain:min_db=20,max_db=20', SINE)
  assert np.abs(found).max() == pytest.approx(3.0, rel=1e-3)
  stored = stored_form.to_stored(found, 'int16')
  assert stored.min() == -32_768
  assert stored.max() == 32_767
  # A later, quieter step finds it whole.
  there_and_back = chain.Chain(['gain:min_db=20,max_db=20', 'gain:min_db=-20,max_db=-20'], 16_000)
  found, _ = there_and_back.apply(SINE, clip_id='a', copy=1, seed=0)
  np.testing.assert_allclose(found, SINE, rtol=1e-6)


@given(
  bounds=st.tuples(st.floats(-100, 100), st.floats(-100, 100)).map(sorted),
  decimals=st.integers(0, 4),
  seed=st.integers(0, 1_000),
)
def test_a_draw_is_in_range_and_its_text_is_exact(bounds, decimals, seed):
  low, high = bounds
  drawn = augmentation.Draws(np.random.default_rng(seed)).uniform(low, high, decimals=decimals)
  assert low <= drawn <= high
  assert float(repr(drawn)) == drawn
  assert repr(drawn) != '-0.0'
  assert drawn in (low, high) or drawn == round(drawn, decimals)


def test_draws_are_uniform():
  draws = augmentation.Draws(np.random.default_rng(0))
  drawn = [draws.uniform(-2.0, 6.0, decimals=2) for _ in range(4_000)]
  counts, _ = np.histogram(drawn, bins=8, range=(-2, 6))
  assert counts.min() > 420
  assert counts.max() < 580


@pytest.mark.parametrize(
  ('option', 'sentence'),
  [
    ('gain:min_db=3,max_db=-3', r'min_db and max_db must be in \[-60, 60\], the smaller first'),
    ('gain:max_db=61', r'min_db and max_db must be in \[-60, 60\]'),
    ('background_noise:min_snr_db=30', r'min_snr_db and max_snr_db .* got 30.0 and 20.0'),
    ('background_noise:silence_db=1', r'silence_db must be in \[-120, 0\], 0 is full scale'),
    ('time_shift:max_shift_s=-1', r'max_shift_s must be in \[0, 60\], got -1.0'),
    ('time_stretch:min_rate=0', r'min_rate and max_rate must be in \[0.25, 4\]'),
    ('speed:max_rate=0.5', r'min_rate and max_rate .* got 0.9 and 0.5'),
    ('pitch_shift:max_semitones=25', r'max_semitones must be in \[0, 24\], got 25.0'),
    ('gain:db=3', r"augmentation 'gain' has no setting 'db'.* It has: probability, min_db, max_db"),
    ('gian', r"No augmentation is called 'gian'. Did you mean 'gain'\?"),
    ('gain:max_db=loud', r"expected float, got 'loud'"),
  ],
)
def test_a_bad_option_says_what_was_wanted(option, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    augmentations.parse(option)


def test_the_loudest_step_on_the_loudest_clip_is_finite():
  assert chain.MAX_SAMPLE * 10 ** (gain.Gain.LIMITS['db'][1] / 20) < np.finfo(np.float32).max
  loud = ['gain:min_db=60,max_db=60'] * 20
  found, _ = chain.Chain(loud, 16_000).apply(SINE, clip_id='a', copy=1, seed=0)
  assert np.abs(found).max() == chain.MAX_SAMPLE
