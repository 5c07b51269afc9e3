"""The face inside a model against the NumPy face and tf.signal, and among Keras's layers."""

import os
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import features
from features import extractor, keras_twins
from features.decoding import clips
from schemas import audio, errors
from tests.helpers import signals

AUDIO = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0.5)
MIXTURE = signals.mixture(AUDIO.clip_samples, sample_rate_hz=AUDIO.sample_rate_hz)

OPTIONS = [
  'waveform',
  'stft',
  'stft:window_s=0.0250625,hop_s=0.005,fft_samples=600',
  'stft:fft_samples=601',
  'mel',
  'mel:scale=slaney,num_mels=40',
  'log_mel',
  'log_mel:scale=slaney,num_mels=40,low_hz=60,high_hz=7600,floor=0.001',
  'fft',
  'fft:num_bins=100,max_hz=3000',
  'fft:fft_samples=1001,scale=linear',
  'mfcc',
  'mfcc:num_mels=40,num_coefficients=13,deltas=2,lifter=22,delta_frames=5',
]


def faces(option, spec=AUDIO):
  name, settings = features.parse(option)
  member = features.FEATURES[name]
  return member.kernel(settings, spec), keras_twins.make(name, settings, spec)


def assert_faces_agree(kernel, twin, batch):
  ours, theirs = kernel(batch), np.asarray(twin(batch))
  assert theirs.dtype == np.float32
  # Both transform in float32 with the same algorithm and differ in the order of additions.
  # Measured: 1e-6 for logarithms, 1.2e-7 of the clip's loudest band for energies.
  scale = np.maximum(1.0, np.abs(ours).max(axis=tuple(range(1, ours.ndim)), keepdims=True))
  np.testing.assert_allclose(theirs / scale, ours / scale, atol=1e-5)


@pytest.mark.parametrize('option', OPTIONS)
def test_the_faces_agree(option):
  assert_faces_agree(*faces(option), MIXTURE)


@pytest.mark.parametrize('option', OPTIONS)
def test_the_same_eagerly_and_in_a_dataset(option):
  _, twin = faces(option)
  eager = np.asarray(twin(MIXTURE))
  dataset = tf.data.Dataset.from_tensor_slices(MIXTURE).batch(len(MIXTURE)).map(twin)
  (mapped,) = dataset.as_numpy_iterator()
  # XLA and grappler may fuse a multiplication and an addition.
  np.testing.assert_allclose(mapped, eager, rtol=1e-5, atol=1e-5)


def test_log_mel_agrees_with_tf_signal():
  magnitude = tf.abs(tf.signal.stft(MIXTURE, 400, 160, 512))
  filters = tf.signal.linear_to_mel_weight_matrix(40, 257, 16_000, 20.0, 8_000.0)
  theirs = tf.math.log(tf.square(magnitude) @ filters + 1e-6).numpy()
  kernel, twin = faces('log_mel:num_mels=40')
  # Their filters are computed in float32; beside a tone it shows most. Measured: up to 2e-4.
  np.testing.assert_allclose(kernel(MIXTURE), theirs, atol=2e-3)
  np.testing.assert_allclose(twin(MIXTURE), theirs, atol=2e-3)


@pytest.mark.parametrize('policy', ['mixed_float16', 'mixed_bfloat16'])
@pytest.mark.parametrize('option', OPTIONS)
def test_mixed_precision_changes_nothing(option, policy):
  kernel, _ = faces(option)
  before = keras.mixed_precision.dtype_policy()
  keras.mixed_precision.set_dtype_policy(policy)
  try:
    _, twin = faces(option)
    assert_faces_agree(kernel, twin, MIXTURE)
    # And inside a model, whose input Keras would cast for another twin.
    inputs = keras.Input([AUDIO.clip_samples])
    model = keras.Model(inputs, twin(inputs))
    np.testing.assert_array_equal(model(MIXTURE), twin(MIXTURE))
  finally:
    keras.mixed_precision.set_dtype_policy(before)


@pytest.mark.parametrize('option', OPTIONS)
def test_a_saved_model_holds_its_settings(option, tmp_path):
  _, twin = faces(option)
  inputs = keras.Input([AUDIO.clip_samples])
  model = keras.Model(inputs, twin(inputs))
  path = tmp_path / 'model.keras'
  model.save(path)
  loaded = keras.models.load_model(path)
  np.testing.assert_array_equal(loaded(MIXTURE), model(MIXTURE))


@pytest.mark.parametrize('option', OPTIONS)
def test_an_exported_graph_takes_any_batch(option, tmp_path):
  _, twin = faces(option)
  inputs = keras.Input([AUDIO.clip_samples])
  model = keras.Model(inputs, twin(inputs))
  model.export(tmp_path, verbose=False)
  served = tf.saved_model.load(tmp_path).serve
  for num_clips in (1, 3):
    batch = MIXTURE[:num_clips]
    np.testing.assert_allclose(served(batch), twin(batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('option', OPTIONS)
def test_the_symbolic_shape_is_the_real_one(option):
  _, twin = faces(option)
  assert twin(keras.Input([AUDIO.clip_samples])).shape[1:] == twin(MIXTURE).shape[1:]


@pytest.mark.parametrize('option', [option for option in OPTIONS if option[:3] != 'fft'])
@pytest.mark.parametrize('num_samples', [1, 399, 402, 5_000])
def test_clips_of_any_length(option, num_samples, tmp_path):
  # The length unknown when the graph is built; what is shorter than a window is padded.
  spec = audio.AudioSpec(clip_s=0)
  name, settings = features.parse(option)
  made = extractor.Extractor([features.spec(name, settings, spec)], spec)
  twin = keras_twins.make(name, settings, spec)
  inputs = keras.Input([None])
  model = keras.Model(inputs, twin(inputs))
  batch = signals.noise(2 * num_samples).reshape(2, num_samples)
  assert model.output_shape[2:] == twin(batch).shape[2:]
  assert_faces_agree(lambda samples: made.compute(samples)[name], model, batch)


@pytest.mark.parametrize('option', OPTIONS)
def test_gradients_reach_the_samples(option):
  # For models that learn to change their input; also at silence, where a square root has none.
  _, twin = faces(option)
  samples = tf.Variable(MIXTURE)
  with tf.GradientTape() as tape:
    total = tf.reduce_sum(twin(samples))
  assert np.isfinite(tape.gradient(total, samples).numpy()).all()


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
@pytest.mark.parametrize(
  'option', ['stft', 'mel:num_mels=64', 'log_mel:num_mels=64', 'fft', 'mfcc:num_mels=64,deltas=2']
)
def test_the_faces_agree_on_real_digits(option):
  spec = audio.AudioSpec(sample_rate_hz=8_000)
  paths = sorted(pathlib.Path(os.environ['VOXSHARD_FSDD']).glob('*.wav'))[::40]
  batch = np.stack([clips.decode(clips.read_bytes(str(path)), spec).samples for path in paths])
  assert_faces_agree(*faces(option, spec), batch)


@pytest.mark.parametrize(
  'option', [one for one in OPTIONS if one != 'waveform' and '1001' not in one and '601' not in one]
)
def test_transforms_are_products_of_matrices_too(option):
  name, settings = features.parse(option)
  fast = keras_twins.make(name, settings, AUDIO)(MIXTURE)
  found = keras_twins.make(name, settings, AUDIO, keras_twins.by_matrices)(MIXTURE)
  # Rounding of 1e-6 of the loudest bin, as a share of the floor of silent ones: of a whole clip it
  # is as large as what 16 bits make of the samples.
  np.testing.assert_allclose(found, fast, atol=0.15 if option == 'fft' else 5e-3, rtol=1e-4)


def test_of_any_length_transforms_are_products_of_matrices_too():
  spec = audio.AudioSpec(sample_rate_hz=16_000, clip_s=0)
  samples = MIXTURE[:, :3_000]
  name, settings = features.parse('log_mel')
  fast = keras_twins.make(name, settings, spec)(samples)
  found = keras_twins.make(name, settings, spec, keras_twins.by_matrices)(samples)
  np.testing.assert_allclose(found, fast, atol=5e-3)


def test_a_transform_without_small_factors_is_no_product_of_matrices():
  name, settings = features.parse('fft:fft_samples=6007')
  with pytest.raises(errors.FeatureError, match='6,007 samples has no factors'):
    keras_twins.make(name, settings, AUDIO, keras_twins.by_matrices)(MIXTURE)
