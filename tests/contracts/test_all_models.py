"""What every model promises, over the whole table and every precision policy."""

import functools
import os
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from schemas import errors, options
from tests.helpers import tiny_manifest
from trainer import models
from trainer.learning import precision

keras = pytest.importorskip('keras')
tf = pytest.importorskip('tensorflow')

# Small enough for seconds on a CPU, by the settings that a user has too.
TOYS = {
  'cnn': 'cnn:filters=8,dense_units=16,dropout=0',
  'vgg16': 'vgg16:head_units=16,dropout=0',
}
POLICIES = ('float32', 'mixed_float16', 'mixed_bfloat16')
SHAPE = (32, 32)
ANY_LENGTH = (None, 20)


@pytest.fixture(params=POLICIES)
def policy(request):
  """The precision policy, set for the test and put back."""
  before = keras.config.dtype_policy()
  keras.config.set_dtype_policy(request.param)
  yield request.param
  keras.config.set_dtype_policy(before)


def build(name, *, shape=SHAPE, seed=1, more='', **statistics):
  keras.utils.set_random_seed(seed)
  dataset = tiny_manifest.of(shape=shape, **statistics)
  return models.build(*models.parse(TOYS[name] + more), dataset)


def examples(count, *, shape=SHAPE):
  return np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)


def logits_of(model, batch):
  return np.array(model(batch, training=False))


@functools.cache
def toy(name, policy):
  """A model that tests look at and leave as it is; VGG16 takes half a second to make."""
  assert keras.config.dtype_policy().name == policy
  return build(name, mean=(1.5,), variance=(4.0,))


def test_every_model_has_a_toy():
  assert set(TOYS) == set(models.MODELS)


def test_settings_can_be_written_as_text():
  options.check_table(models.SETTINGS)


@pytest.mark.parametrize('name', models.MODELS)
def test_default_settings_are_found_by_the_bare_name(name):
  assert models.parse(name) == (name, models.MODELS[name].settings())


@pytest.mark.parametrize('name', models.MODELS)
def test_logits_are_float32_one_per_label(name, policy):
  logits = toy(name, policy)(examples(2), training=False)
  assert tuple(logits.shape) == (2, 3)
  assert logits.dtype == 'float32', f'logits must leave {policy} before the loss'


@pytest.mark.parametrize('name', models.MODELS)
def test_precision_policy_reaches_the_layers(name, policy):
  layers = toy(name, policy)._flatten_layers()
  computes = {layer.compute_dtype for layer in layers if layer.weights}
  assert policy.removeprefix('mixed_') in computes


@pytest.mark.parametrize('name', models.MODELS)
def test_loss_falls_on_a_few_examples(name, policy):
  # A CPU takes 10 s for one step of the whole VGG16 in float16, 0.4 s in the two others.
  slow = (name, policy) == ('vgg16', 'mixed_float16')
  model = build(name, more=',trainable_blocks=1' if slow else '')
  labels = np.arange(3) % 3
  slopes = np.linspace(-1, 1, SHAPE[1]) * (labels - 1)[:, None, None]
  batch = (examples(3) + slopes).astype(np.float32)
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  rate = models.MODELS[name].learning_rate / 5  # So few steps must not jump too far.
  optimizer = precision.protect(keras.optimizers.Adam(rate), policy)
  optimizer.build(model.trainable_variables)

  @tf.function  # In a graph: one by one the convolutions take ten times as long in float16.
  def step():
    with tf.GradientTape() as tape:
      before = loss(labels, model(batch, training=True))
      scaled = optimizer.scale_loss(before)
    weights = model.trainable_variables
    optimizer.apply(tape.gradient(scaled, weights), weights)
    return before

  losses = [float(step()) for _ in range(3 if name == 'vgg16' else 9)]
  assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize('name', models.MODELS)
def test_saved_model_gives_the_same_logits(name, policy, tmp_path):
  model = toy(name, policy)
  model.save(tmp_path / 'model.keras')
  loaded = keras.models.load_model(tmp_path / 'model.keras', compile=False)
  np.testing.assert_array_equal(logits_of(loaded, examples(2)), logits_of(model, examples(2)))


def test_saved_models_open_without_this_project(tmp_path):
  files = []
  for name in models.MODELS:
    for kind, shape in (('fixed', SHAPE), ('any', ANY_LENGTH)):
      files.append(str(tmp_path / f'{name}_{kind}.keras'))
      build(name, shape=shape).save(files[-1])
  script = (
    'import sys, keras\n'
    'for path in sys.argv[1:]:\n'
    '  keras.models.load_model(path, compile=False)\n'
    "ours = {'trainer', 'features', 'tfrecords', 'schemas'} & set(sys.modules)\n"
    "sys.exit(f'imported {ours}' if ours else 0)\n"
  )
  # From another folder, so that the project cannot be found by chance.
  done = subprocess.run(
    [sys.executable, '-c', script, *files],
    cwd=tmp_path,
    env={**os.environ, 'PYTHONPATH': ''},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('name', models.MODELS)
@pytest.mark.parametrize('frames', [11, 32, 97, 301])
def test_any_number_of_frames_is_taken(name, frames):
  model = build(name, shape=(frames, 20))
  assert logits_of(model, examples(2, shape=(frames, 20))).shape == (2, 3)


@pytest.mark.parametrize('name', models.MODELS)
@pytest.mark.parametrize('channels', [1, 3])
def test_pictures_are_taken(name, channels):
  shape = (32, 40, channels)
  assert logits_of(build(name, shape=shape), examples(2, shape=shape)).shape == (2, 3)


@pytest.mark.parametrize('name', models.MODELS)
def test_normalisation_stands_inside(name):
  """A louder and shifted feature with statistics to match gives the same logits."""
  per_bin = np.linspace(-8, 8, SHAPE[-1], dtype=np.float32)
  plain = build(name)
  shifted = build(name, mean=tuple(per_bin.tolist()), variance=(9.0,))
  other_mean = build(name, mean=tuple((per_bin + 1).tolist()), variance=(9.0,))
  batch = examples(2)
  expected = logits_of(plain, batch)
  np.testing.assert_allclose(
    logits_of(shifted, batch * 3 + per_bin), expected, rtol=1e-4, atol=1e-4
  )
  assert np.abs(logits_of(other_mean, batch * 3 + per_bin) - expected).max() > 1e-3


@pytest.mark.parametrize('name', models.MODELS)
def test_normalisation_is_float32_under_half_precision(name):
  """Float16 knows 8,192 and 8,200 but nothing between: the mean must go before the rounding."""
  before = keras.config.dtype_policy()
  keras.config.set_dtype_policy('mixed_float16')
  try:
    plain, far = build(name), build(name, mean=(8192.0,))
    batch = np.round(examples(2) * 64) / 64  # Sums with 8,192 that float32 holds exactly.
    np.testing.assert_array_equal(logits_of(far, batch + 8192), logits_of(plain, batch))
  finally:
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize('name', models.MODELS)
def test_bins_that_never_moved_in_training_do_not_explode(name):
  variance = (1.0,) * (SHAPE[-1] - 1) + (0.0,)
  model = build(name, variance=variance)
  assert np.abs(logits_of(model, examples(2))).max() < 1e4


@pytest.mark.parametrize('name', models.MODELS)
def test_silence_alone_is_no_division_by_zero(name):
  model = build(name, variance=(0.0,))
  assert np.isfinite(logits_of(model, np.zeros((2, *SHAPE), np.float32))).all()


@pytest.mark.parametrize('name', models.MODELS)
def test_same_seed_gives_the_same_model(name):
  first, second, third = (build(name, seed=seed).get_weights() for seed in (5, 5, 6))
  assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
  assert not all(np.array_equal(a, b) for a, b in zip(first, third, strict=True))


@pytest.mark.parametrize('name', models.MODELS)
def test_waveform_is_refused_with_a_sentence(name):
  with pytest.raises(errors.DatasetError, match=r"'waveform' is \[16000\].*--feature=log_mel"):
    models.build(*models.parse(name), tiny_manifest.of(shape=(16_000,), name='waveform'))


# Clips of any length.


def alone_and_padded(rng, num_rows, *, padding):
  """Returns a clip by itself, and in a batch with noise twice as long behind it; model inputs."""
  clip = rng.normal(size=(1, num_rows, *ANY_LENGTH[1:])).astype(np.float32)
  batch = rng.normal(size=(2, num_rows + padding, *ANY_LENGTH[1:])).astype(np.float32)
  batch[0, :num_rows] = clip[0]
  batch[0, num_rows:] = 0
  return [clip, np.array([num_rows])], [batch, np.array([num_rows, num_rows + padding])]


@pytest.fixture(scope='module')
def any_length():
  """A model of each name, on clips of any length, with a mean that is not the padding's zero."""
  return {
    name: with_biases(build(name, shape=ANY_LENGTH, mean=(1.5,), variance=(4.0,)))
    for name in models.MODELS
  }


def with_biases(model):
  """Biases are zero until a model learns: padding would stay zero through all its layers."""
  rng = np.random.default_rng(4)
  for variable in model.trainable_variables:
    if variable.name == 'bias':
      variable.assign(rng.uniform(0.05, 0.2, variable.shape))
  return model


@pytest.mark.parametrize('name', models.MODELS)
@hypothesis.settings(max_examples=12)  # Each 0.1 s with VGG16.
@hypothesis.given(
  num_rows=st.integers(1, 90), padding=st.integers(0, 70), seed=st.integers(0, 2**32 - 1)
)
def test_padding_does_not_change_the_logits(any_length, name, num_rows, padding, seed):
  alone, padded = alone_and_padded(np.random.default_rng(seed), num_rows, padding=padding)
  model = any_length[name]
  np.testing.assert_allclose(logits_of(model, padded)[:1], logits_of(model, alone), atol=1e-5)


@pytest.mark.parametrize('name', models.MODELS)
def test_what_stands_in_the_padding_is_not_looked_at(any_length, name):
  _, padded = alone_and_padded(np.random.default_rng(0), 40, padding=30)
  expected = logits_of(any_length[name], padded)
  padded[0][0, 40:] = 1e3
  np.testing.assert_array_equal(logits_of(any_length[name], padded)[0], expected[0])


@pytest.mark.parametrize('name', models.MODELS)
def test_all_of_a_clip_is_looked_at(any_length, name):
  """But for a few rows at its end, which no whole pool covers."""
  model, (batch, num_rows) = any_length[name], [examples(1, shape=(70, 20)), np.array([70])]
  expected = logits_of(model, [batch, num_rows])
  for first, last in ((0, 3), (30, 33), (60, 63)):
    changed = batch.copy()
    changed[0, first:last] += 5
    assert np.abs(logits_of(model, [changed, num_rows]) - expected).max() > 1e-4


@pytest.mark.parametrize('name', models.MODELS)
def test_clips_of_any_length_under_every_policy(name, policy, tmp_path):
  model = build(name, shape=ANY_LENGTH)
  batch = [examples(2, shape=(50, 20)), np.array([50, 3])]
  logits = model(batch, training=False)
  assert tuple(logits.shape) == (2, 3)
  assert logits.dtype == 'float32'
  assert np.isfinite(logits).all()
  model.save(tmp_path / 'model.keras')
  loaded = keras.models.load_model(tmp_path / 'model.keras', compile=False)
  np.testing.assert_array_equal(logits_of(loaded, batch), np.array(logits))


@pytest.mark.parametrize('name', models.MODELS)
def test_long_silence_does_not_overflow_half_precision(name):
  before = keras.config.dtype_policy()
  keras.config.set_dtype_policy('mixed_float16')
  try:
    model = build(name, shape=ANY_LENGTH)
    batch = np.full((1, 3_000 if name == 'cnn' else 600, 20), 30, np.float32)
    assert np.isfinite(logits_of(model, [batch, np.array([batch.shape[1]])])).all()
  finally:
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize('name', models.MODELS)
def test_a_waveform_of_any_length_is_refused_with_a_sentence(name):
  with pytest.raises(errors.DatasetError, match=r"'waveform' is \[any\].*--feature=log_mel"):
    models.build(*models.parse(name), tiny_manifest.of(shape=(None,), name='waveform'))
