"""The spectrum of a clip against NumPy in float64, and signals whose spectrum is known."""

import fractions
import math
import os
import pathlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import features
from features import fft
from features.decoding import clips
from features.spectra import frames
from schemas import audio, errors
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5)
VARIABLE = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0)
MIXTURE = signals.mixture(AUDIO.clip_samples, sample_rate_hz=AUDIO.sample_rate_hz)


def spectrum(batch, *, spec=AUDIO, **values):
  """Returns [clips, bins]."""
  array = fft.kernel(fft.Fft(**values), spec)(batch)
  assert array.shape == (len(batch), *fft.shape(fft.Fft(**values), spec))
  return array[:, 0]


def magnitudes_by_numpy(batch, fft_samples):
  return np.abs(np.fft.rfft(batch.astype(np.float64), fft_samples))


def assert_log_close(ours, magnitude, floor):
  # float32 rounds relative to the largest bin. Measured: up to 3.5e-7 of it, on real recordings.
  error = 1e-6 * magnitude.max(axis=-1, keepdims=True) / (magnitude + floor)
  assert (np.abs(ours - np.log(magnitude + floor)) <= 2e-6 + error).all()


@pytest.mark.parametrize('fft_samples', [0, 8_192, 9_001, 20_000, 5_000, 2])
def test_it_agrees_with_numpy(fft_samples):
  magnitude = magnitudes_by_numpy(MIXTURE[:, : fft_samples or None], fft_samples or 8_192)
  assert_log_close(spectrum(MIXTURE, fft_samples=fft_samples), magnitude, 1e-2)
  loudest = magnitude.max(axis=1, keepdims=True) + 1e-30
  linear = spectrum(MIXTURE, fft_samples=fft_samples, scale='linear')
  np.testing.assert_allclose(linear / loudest, magnitude / loudest, atol=1e-6)


@hypothesis_settings(max_examples=50)
@given(
  fft_samples=st.integers(2, 3_000),
  max_hz=st.floats(0, 8_000),
  bins_share=st.floats(0, 1),
  num_samples=st.integers(1, 4_000),
)
@example(fft_samples=1_420, max_hz=4_000, bins_share=0, num_samples=2_000)
@example(fft_samples=1_760, max_hz=100, bins_share=0, num_samples=2_000)
def test_bands_are_means_of_bins_up_to_the_highest(fft_samples, max_hz, bins_share, num_samples):
  bins = range(fft_samples // 2 + 1)
  highest_hz = fractions.Fraction(max_hz or 8_000)
  kept = [index for index in bins if fractions.Fraction(16_000 * index, fft_samples) <= highest_hz]
  num_bins = int(bins_share * len(kept))
  noise = signals.noise(num_samples)[None]
  magnitude = magnitudes_by_numpy(noise[:, :fft_samples], fft_samples)[0, : len(kept)]
  num_bands = num_bins or len(kept)
  edges = [index * len(kept) // num_bands for index in range(num_bands + 1)]
  expected = [
    math.sqrt(np.mean(magnitude[low:high] ** 2))
    for low, high in zip(edges[:-1], edges[1:], strict=True)
  ]
  ours = spectrum(
    noise,
    spec=VARIABLE,
    fft_samples=fft_samples,
    max_hz=max_hz,
    num_bins=num_bins,
    scale='linear',
    dtype='float32',
  )
  np.testing.assert_allclose(ours[0], expected, atol=1e-6 * magnitude.max() + 1e-6)


def test_a_sine_on_a_bin_has_half_its_samples_there():
  sine = signals.sine(8_192, sample_rate_hz=16_000, hz=100 * 16_000 / 8_192)[None]
  spec = audio.AudioSpec(clip_s=0.512)
  ours = spectrum(sine, spec=spec, scale='linear')[0]
  assert ours.argmax() == 100
  np.testing.assert_allclose(ours[100], 4_096, rtol=1e-5)
  assert np.delete(ours, 100).max() < 1e-2


def test_an_impulse_is_flat_and_silence_is_the_floor():
  impulse = signals.impulse(8_000, at=1_234)[None]
  np.testing.assert_allclose(spectrum(impulse, scale='linear'), 1.0, atol=1e-6)
  np.testing.assert_allclose(spectrum(impulse, num_bins=10), math.log(1.01), atol=1e-6)
  np.testing.assert_allclose(spectrum(np.zeros_like(impulse), floor=0.5), math.log(0.5), rtol=1e-6)


def test_the_bins_do_not_depend_on_the_length_of_the_clip():
  for num_samples in (1, 500, 8_192, 20_000):
    ours = spectrum(signals.noise(num_samples)[None], spec=VARIABLE, fft_samples=8_192)
    assert ours.shape == (1, 4_097)
  # What lies behind fft_samples is cut; what is missing is silence.
  noise = signals.noise(9_000)[None]
  cut = spectrum(noise, spec=VARIABLE, fft_samples=8_192)
  np.testing.assert_array_equal(cut, spectrum(noise[:, :8_192], spec=VARIABLE, fft_samples=8_192))
  padded = np.pad(noise[:, :5_000], ((0, 0), (0, 3_000)))
  np.testing.assert_array_equal(
    spectrum(noise[:, :5_000], spec=VARIABLE, fft_samples=8_192),
    spectrum(padded, spec=VARIABLE, fft_samples=8_192),
  )


def test_many_clips_are_each_its_own():
  batch = signals.noise(70 * 8_000).reshape(70, -1)
  together = spectrum(batch)
  for index in (0, 7, 8, 15, 16, 69):
    assert spectrum(batch[index : index + 1]).tobytes() == together[index].tobytes()


def test_statistics_are_kept_per_bin():
  spec = features.spec('fft', fft.Fft(num_bins=64), AUDIO)
  assert (spec.shape, spec.num_bins) == ((1, 64), 64)


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'fft_samples': 1}, r'fft_samples must be 0 or in \[2, 1048576\] samples, got 1'),
    ({'fft_samples': 1 << 21}, 'fft_samples must be 0 or in'),
    ({'fft_samples': -8}, 'fft_samples must be 0 or in'),
    ({'max_hz': -1.0}, 'max_hz must be positive, or 0 for half the sample rate, got -1.0'),
    ({'max_hz': float('nan')}, 'max_hz must be'),
    ({'num_bins': -1}, 'num_bins must be positive, or 0 for all, got -1'),
    ({'scale': 'db'}, "scale must be log or linear, got 'db'"),
    ({'floor': 0.0}, 'floor must be positive and finite'),
    ({'dtype': 'int16'}, 'dtype must be float16 or float32'),
  ],
)
def test_nonsense_is_refused_at_birth(values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    fft.Fft(**values)


@pytest.mark.parametrize(
  ('values', 'spec', 'sentence'),
  [
    (
      {},
      {'clip_s': 0},
      'fft needs fft_samples where each clip has .* Use such as fft_samples=16384',
    ),
    ({'max_hz': 8_001.0}, {}, 'max_hz=8001 is above half the sample rate of 16000 Hz'),
    ({'num_bins': 9_000}, {}, 'num_bins=9000 are more than the 8193 bins, 0.976562 Hz apart'),
    ({'num_bins': 3, 'max_hz': 1.0}, {}, 'num_bins=3 are more than the 2 bins'),
    ({}, {'clip_s': 100.0}, 'A clip of 100.0 s is 1600000 samples at 16000 Hz; the transform may'),
    (
      {'scale': 'linear'},
      {'clip_s': 5.0},
      'Magnitudes of 80000 samples can reach 80000, float16 ends at 65504. Use dtype=float32',
    ),
  ],
)
def test_what_does_not_fit_the_audio_is_refused(values, spec, sentence):
  for make in (fft.shape, fft.kernel):
    with pytest.raises(errors.FeatureError, match=sentence):
      make(fft.Fft(**values), audio.AudioSpec(**spec))


def test_the_longest_clips_that_fit():
  spec = audio.AudioSpec(clip_s=frames.MAX_FFT_SAMPLES / 16_000)
  assert fft.shape(fft.Fft(num_bins=8), spec) == (1, 8)
  assert fft.shape(fft.Fft(fft_samples=16_000), audio.AudioSpec(clip_s=100.0)) == (1, 8_001)


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_real_digits_agree_with_numpy():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::40]
  batch = np.stack([clips.decode(clips.read_bytes(str(path)), spec).samples for path in paths])
  assert_log_close(spectrum(batch, spec=spec), magnitudes_by_numpy(batch, 8_192), 1e-2)
