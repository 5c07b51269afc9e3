"""Chroma against librosa, and tones whose class is known."""

import os
import pathlib

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import chroma
from features.decoding import clips
from features.spectra import chroma_filterbank
from schemas import audio, errors
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5)
MIXTURE = signals.mixture(AUDIO.clip_samples, sample_rate_hz=AUDIO.sample_rate_hz)
NORMS = {'inf': np.inf, 'l1': 1, 'l2': 2, 'none': None}
NAMES = ('C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B')


def kernel(spec=AUDIO, **values):
  return chroma.kernel(chroma.Chroma(dtype='float32', **values), spec)


def by_librosa(batch, *, sample_rate_hz=16_000, fft_samples=2048, norm='inf', **values):
  """Returns chroma in float64, [clips, num_frames, num_chroma]."""
  result = librosa.feature.chroma_stft(
    y=batch.astype(np.float64),
    sr=sample_rate_hz,
    n_fft=fft_samples,
    hop_length=fft_samples // 4,
    center=False,
    norm=NORMS[norm],
    **{'tuning': 0.0, **values},
  )
  return result.transpose(0, 2, 1)


@pytest.mark.parametrize('num_chroma', [12, 24, 36])
@pytest.mark.parametrize(
  ('sample_rate_hz', 'fft_samples'), [(16_000, 2048), (8_000, 1024), (44_100, 8192), (22_050, 601)]
)
@pytest.mark.parametrize('tuning', [0.0, 0.3, -0.5])
def test_filters_agree_with_librosa(num_chroma, sample_rate_hz, fft_samples, tuning):
  bank = chroma_filterbank.Bank(
    num_chroma=num_chroma, fft_samples=fft_samples, sample_rate_hz=sample_rate_hz, tuning=tuning
  )
  theirs = librosa.filters.chroma(
    sr=sample_rate_hz, n_fft=fft_samples, n_chroma=num_chroma, tuning=tuning
  )
  # Both compute in float64 and round to float32; ours leaves out what is below 1e-9.
  np.testing.assert_allclose(bank.weights(), theirs.T, atol=1.1e-9, rtol=1e-6)


@pytest.mark.parametrize('norm', NORMS)
def test_chroma_agrees_with_librosa(norm):
  ours, theirs = kernel(norm=norm)(MIXTURE), by_librosa(MIXTURE, norm=norm)
  # Relative to the largest class of the frame, which is 1 with a norm. Measured: up to 1.7e-6.
  largest = theirs.max(axis=-1, keepdims=True) + 1e-30
  np.testing.assert_allclose(ours / largest, theirs / largest, atol=1e-5)


def test_finer_classes_and_another_tuning_agree_with_librosa():
  ours = kernel(num_chroma=36, tuning=0.25)(MIXTURE)
  theirs = by_librosa(MIXTURE, n_chroma=36, tuning=0.25)
  np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize('octave', [4, 5, 6])
@pytest.mark.parametrize('name', NAMES)
def test_a_tone_lies_in_its_class_whatever_its_octave(octave, name):
  semitones = NAMES.index(name) - NAMES.index('A') + 12 * (octave - 4)
  tone = signals.sine(8_000, sample_rate_hz=16_000, hz=440.0 * 2 ** (semitones / 12))
  assert (kernel()(tone[None])[0].argmax(axis=-1) == NAMES.index(name)).all()


def test_tuning_moves_the_classes_with_the_instrument():
  # A quarter of a semitone sharp: nearer to A# than to G#, until the classes are as sharp.
  sharp = signals.sine(8_000, sample_rate_hz=16_000, hz=880.0 * 2 ** (0.25 / 12))
  neighbours = [NAMES.index('G#'), NAMES.index('A#')]
  below, above = kernel()(sharp[None])[0, 0, neighbours]
  assert above > 5 * below
  below, above = kernel(tuning=0.25)(sharp[None])[0, 0, neighbours]
  np.testing.assert_allclose(above, below, rtol=0.02)


@pytest.mark.parametrize('norm', NORMS)
def test_silence_is_zero(norm):
  assert not kernel(norm=norm)(np.zeros((2, AUDIO.clip_samples), np.float32)).any()


def test_silence_behind_a_word_is_zero():
  batch = MIXTURE.copy()
  batch[:, 4_000:] = 0.0
  array = kernel()(batch)
  assert not array[:, 8:].any()  # From frame 8 on, at 8 * 512 samples.
  assert array[0, :7].any()


@settings(max_examples=30)
@given(norm=st.sampled_from(list(NORMS)[:3]), exponent=st.integers(-18, 0), seed=st.integers(0, 99))
def test_the_norm_is_1_however_quiet(norm, exponent, seed):
  noise = signals.noise(AUDIO.clip_samples, seed=seed, amplitude=10.0**exponent)
  array = kernel(norm=norm)(noise[None])[0].astype(np.float64)
  np.testing.assert_allclose(np.linalg.norm(array, NORMS[norm], axis=-1), 1.0, rtol=1e-5)
  assert (array >= 0).all()


def test_loudness_makes_no_difference():
  compute = kernel()
  np.testing.assert_array_equal(compute(MIXTURE / 4), compute(MIXTURE))


def test_clips_of_any_length():
  spec = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0)
  member = chroma.FEATURE
  assert member.shape(chroma.Chroma(), spec) == (None, 12)
  shortest = member.min_samples(chroma.Chroma(), spec)
  for num_samples, num_frames in ((shortest, 1), (shortest + 511, 1), (shortest + 512, 2)):
    batch = signals.noise(num_samples)[None]
    array = kernel(spec)(batch)
    assert array.shape == (1, num_frames, 12)
    np.testing.assert_allclose(array, by_librosa(batch), atol=1e-5)


@pytest.mark.parametrize(
  ('values', 'sentence'),
  [
    ({'num_chroma': 0}, r'num_chroma must be a multiple of 12 in \[12, 120\].*; got 0'),
    ({'num_chroma': 13}, 'so that classes are semitones or equal parts of them; got 13'),
    ({'num_chroma': 132}, 'num_chroma must be'),
    ({'tuning': 0.6}, r'tuning must be in \[-0.5, 0.5\].* got 0.6'),
    ({'tuning': float('nan')}, 'tuning must be'),
    ({'norm': 'max'}, "norm must be inf, l1, l2, none, got 'max'"),
    ({'dtype': 'int16'}, 'dtype must be float16 or float32 here'),
    ({'hop_s': 1.0}, 'A hop longer than the window skips audio'),
  ],
)
def test_nonsense_is_refused_at_birth(values, sentence):
  with pytest.raises(errors.FeatureError, match=sentence):
    chroma.Chroma(**values)


def test_float16_is_refused_just_where_it_can_overflow():
  assert chroma.shape(chroma.Chroma(norm='none', dtype='float32'), AUDIO) == (12, 12)
  assert chroma.shape(chroma.Chroma(), AUDIO) == (12, 12)
  with pytest.raises(errors.FeatureError, match='can reach .* float16 ends at 65504. Use dtype=fl'):
    chroma.shape(chroma.Chroma(norm='none'), AUDIO)


def test_no_full_scale_signal_exceeds_the_bound():
  bound = chroma.highest_energy(chroma.Chroma(), AUDIO)
  loud = [signals.sine(8_000, sample_rate_hz=16_000, hz=hz) for hz in (440, 880, 1_760, 3_520)]
  batch = np.stack([*loud, *np.sign(loud), np.ones(8_000, np.float32)]).astype(np.float32)
  assert bound / 10 < kernel(norm='none')(batch).max() <= bound


def test_weights_cannot_be_changed_for_everybody():
  with pytest.raises(ValueError, match='read-only'):
    chroma.Chroma().filterbank(AUDIO)[0, 0] = 1.0


@pytest.mark.parametrize('norm', NORMS)
@pytest.mark.parametrize('clip_s', [0.5, 0])
def test_the_faces_agree(norm, clip_s):
  tf = pytest.importorskip('tensorflow')
  spec = audio.AudioSpec(sample_rate_hz=16_000, clip_s=clip_s)
  from features import keras_twins

  twin = keras_twins.make('chroma', chroma.Chroma(norm=norm, dtype='float32'), spec)
  samples = tf.Variable(MIXTURE)
  with tf.GradientTape() as tape:
    theirs = twin(samples)
    total = tf.reduce_sum(tf.square(theirs))
  ours = kernel(spec, norm=norm)(MIXTURE)
  scale = np.maximum(1.0, ours.max(axis=(1, 2), keepdims=True))
  # Measured: up to 1.5e-6 with SSE and AVX2, 1.8e-6 with AVX-512, by the order of sums.
  np.testing.assert_allclose(theirs / scale, ours / scale, atol=1e-5)
  assert np.isfinite(tape.gradient(total, samples).numpy()).all()  # Also at silence.


def test_a_saved_model_holds_the_tables(tmp_path):
  keras = pytest.importorskip('keras')
  from features import keras_twins

  inputs = keras.Input([AUDIO.clip_samples])
  model = keras.Model(
    inputs, keras_twins.make('chroma', chroma.Chroma(num_chroma=24), AUDIO)(inputs)
  )
  model.save(tmp_path / 'model.keras')
  loaded = keras.models.load_model(tmp_path / 'model.keras')
  np.testing.assert_array_equal(loaded(MIXTURE), model(MIXTURE))


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_chroma_of_real_digits_agrees_with_librosa():
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::40]
  batch = np.stack([clips.decode(clips.read_bytes(str(path)), spec).samples for path in paths])
  theirs = by_librosa(batch, sample_rate_hz=8_000, fft_samples=1024)
  # Measured over 200 of the corpus: up to 1.6e-6.
  np.testing.assert_allclose(kernel(spec)(batch), theirs, atol=1e-5)
