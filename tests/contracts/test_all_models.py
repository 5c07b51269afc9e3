"""What every model promises, over the whole table and every precision policy."""

import os
import subprocess
import sys

import numpy as np
import pytest

from schemas import errors, options
from tests.helpers import tiny_manifest
from trainer import models

keras = pytest.importorskip('keras')

# Small enough for seconds on a CPU, by the settings that a user has too.
TOYS = {
  'cnn': 'cnn:filters=8,dense_units=16,dropout=0',
  'vgg16': 'vgg16:head_units=16,dropout=0',
}
POLICIES = ('float32', 'mixed_float16', 'mixed_bfloat16')
SHAPE = (32, 32)


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


def test_every_model_has_a_toy():
  assert set(TOYS) == set(models.MODELS)


def test_settings_can_be_written_as_text():
  options.check_table({name: family.settings for name, family in models.MODELS.items()})


@pytest.mark.parametrize('name', models.MODELS)
def test_default_settings_are_found_by_the_bare_name(name):
  assert models.parse(name) == (name, models.MODELS[name].settings())


@pytest.mark.parametrize('name', models.MODELS)
def test_logits_are_float32_one_per_label(name, policy):
  logits = build(name)(examples(2), training=False)
  assert tuple(logits.shape) == (2, 3)
  assert logits.dtype == 'float32', f'logits must leave {policy} before the loss'


@pytest.mark.parametrize('name', models.MODELS)
def test_precision_policy_reaches_the_layers(name, policy):
  computes = {layer.compute_dtype for layer in build(name)._flatten_layers() if layer.weights}
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
  model.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
  before = float(loss(labels, logits_of(model, batch)))
  model.fit(batch, labels, batch_size=3, epochs=4 if slow else 8, verbose=0)
  after = float(loss(labels, logits_of(model, batch)))
  assert after < 0.9 * before


@pytest.mark.parametrize('name', models.MODELS)
def test_saved_model_gives_the_same_logits(name, policy, tmp_path):
  model = build(name, mean=(1.5,), variance=(4.0,))
  model.save(tmp_path / 'model.keras')
  loaded = keras.models.load_model(tmp_path / 'model.keras', compile=False)
  np.testing.assert_array_equal(logits_of(loaded, examples(2)), logits_of(model, examples(2)))


def test_saved_models_open_without_this_project(tmp_path):
  for name in models.MODELS:
    build(name).save(tmp_path / f'{name}.keras')
  script = (
    'import sys, keras\n'
    'for path in sys.argv[1:]:\n'
    '  keras.models.load_model(path, compile=False)\n'
    "ours = {'trainer', 'features', 'tfrecords', 'schemas'} & set(sys.modules)\n"
    "sys.exit(f'imported {ours}' if ours else 0)\n"
  )
  paths = [str(tmp_path / f'{name}.keras') for name in models.MODELS]
  # From another folder, so that the project cannot be found by chance.
  done = subprocess.run(
    [sys.executable, '-c', script, *paths],
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
