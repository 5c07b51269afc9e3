"""A network out of a file as a trunk: SavedModels of one clip or of a batch, and Keras files."""

import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas import errors
from tests.helpers import tiny_manifest
from trainer import model_table, models
from trainer.learning import precision
from trainer.models import anatomy, footprint, freezing, saved_model

NUM_SAMPLES = 800
UNITS = 6


class Encoder(tf.Module):
  """As those of TensorFlow Hub: one clip in, several results by name out."""

  def __init__(self):
    rng = np.random.default_rng(0)
    self.kernel = tf.Variable(rng.normal(0, 0.1, (200, UNITS)).astype(np.float32), name='kernel')
    self.shift = tf.Variable(tf.ones([UNITS]), trainable=False, name='shift')

  @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name='waveform')])
  def __call__(self, waveform):
    frames = tf.signal.frame(waveform, 200, 100)
    return {'embedding': frames @ self.kernel + self.shift, 'energy': tf.reduce_sum(frames**2, -1)}


@pytest.fixture(scope='module')
def encoder(tmp_path_factory):
  path = tmp_path_factory.mktemp('encoder') / 'hub'
  made = Encoder()
  tf.saved_model.save(made, str(path), signatures={'serving_default': made.__call__})
  return str(path)


@pytest.fixture(scope='module')
def keras_file(tmp_path_factory):
  keras.utils.set_random_seed(1)
  source = keras.Input((40, 20, 1))
  x = keras.layers.Conv2D(4, 3, strides=2, activation='relu', name='conv')(source)
  x = keras.layers.GlobalAveragePooling2D(name='embedding')(x)
  path = tmp_path_factory.mktemp('file') / 'network.keras'
  keras.Model(source, keras.layers.Dense(9, name='scores')(x)).save(path)
  return str(path)


def build(text, *, shape=(NUM_SAMPLES,), name='waveform'):
  dataset = tiny_manifest.of(shape=shape, name=name, mean=(5.0,), variance=(9.0,))
  return models.build(*models.parse(text), dataset)


def clips(*shape):
  return np.random.default_rng(2).normal(size=shape).astype(np.float32)


def test_a_model_of_one_clip_is_mapped_over_the_batch_and_gets_what_is_stored(encoder):
  model = build(f'saved_model:path={encoder},output=embedding')
  batch = clips(3, NUM_SAMPLES)
  made = Encoder()
  wanted = np.stack([made(clip)['embedding'] for clip in batch])
  np.testing.assert_allclose(anatomy.trunk(model)(batch), wanted, rtol=1e-5, atol=1e-5)
  assert model(batch).shape == (3, 3)


def test_it_trains_or_is_frozen(encoder):
  model = build(f'saved_model:path={encoder},output=embedding')
  assert len(model.trainable_weights) == 3
  batch = clips(2, NUM_SAMPLES)
  with tf.GradientTape() as tape:
    loss = tf.reduce_sum(model(batch, training=True) ** 2)
  assert all(np.abs(g).max() > 0 for g in tape.gradient(loss, model.trainable_variables))
  assert freezing.apply(model, freezing.AUTO, is_pretrained=True) == freezing.WHOLE
  assert [weight.path.rpartition('/')[2] for weight in model.trainable_weights] == [
    'kernel',
    'bias',
  ]


@pytest.mark.parametrize('policy', ['float32', 'mixed_float16', 'mixed_bfloat16'])
def test_a_checkpoint_opens_by_the_copy_of_the_graph_wherever_it_lies(encoder, policy, tmp_path):
  source = str(tmp_path / 'source')
  shutil.copytree(encoder, source)
  with precision.policy(policy):
    model = build(f'saved_model:path={source},output=embedding')
  for weight in model.weights:  # As if it had learned.
    weight.assign(weight + 0.1)
  run = tmp_path / 'run'
  saved_model.settle(model, str(run / 'graphs'))
  model.save(run / 'best.keras')
  batch = clips(2, NUM_SAMPLES)
  wanted = np.array(model(batch))
  assert wanted.dtype == np.float32
  shutil.rmtree(source)
  os.rename(run, tmp_path / 'moved')
  loaded = saved_model.load(
    str(tmp_path / 'moved' / 'best.keras'), graphs_dir=str(tmp_path / 'moved' / 'graphs')
  )
  np.testing.assert_array_equal(loaded(batch), wanted)
  found = footprint.of(loaded, num_rows=NUM_SAMPLES)  # Nobody knows how many frames it gives.
  assert found.answering_bytes < 10 * 4 * NUM_SAMPLES
  loaded.export(tmp_path / 'export', verbose=False)
  exported = tf.saved_model.load(tmp_path / 'export')
  np.testing.assert_allclose(exported.serve(batch), wanted, rtol=1e-5, atol=1e-5)


def test_a_keras_file_is_a_part_of_the_model_up_to_a_layer(keras_file, tmp_path):
  model = build(f'saved_model:path={keras_file},output=embedding', shape=(40, 20), name='log_mel')
  batch = clips(2, 40, 20)
  whole = keras.models.load_model(keras_file)
  inner = keras.Model(whole.input, whole.get_layer('embedding').output)
  np.testing.assert_allclose(anatomy.trunk(model)(batch), inner(batch[..., None]), rtol=1e-6)
  model.save(tmp_path / 'best.keras')
  loaded = saved_model.load(str(tmp_path / 'best.keras'), graphs_dir=str(tmp_path / 'none'))
  np.testing.assert_array_equal(loaded(batch), model(batch))
  only = build(f'saved_model:path={keras_file}', shape=(40, 20), name='log_mel')
  assert anatomy.trunk(only).output.shape == (None, 9)


def test_memory_is_asked_without_loading_it(encoder):
  dataset = tiny_manifest.of(shape=(NUM_SAMPLES,), name='waveform')
  text = f'saved_model:path={encoder},output=embedding'
  found = footprint.outline(*models.parse(text), dataset, 'waveform')
  assert found.num_weights > 0
  row = model_table.row(text, dataset, 'waveform')
  assert (row.embedding, row.parameters, row.multiply_adds) == (UNITS, None, None)


@pytest.mark.parametrize(
  ('more', 'sentence'),
  [
    ('', r'takes float32 \[any\] and gives embedding \[any, 6\], energy \[any\]: it has several'),
    (',output=logits', r"it has no result 'logits'.*output=embedding"),
  ],
)
def test_a_result_that_is_not_there_is_refused_with_those_that_are(encoder, more, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    build(f'saved_model:path={encoder}{more}')


def test_what_does_not_fit_is_refused_with_what_the_file_takes(encoder, keras_file):
  with pytest.raises(
    errors.DatasetError, match=r"\[any, 40, 20, 1\] .*but 'log_mel' is \[41, 20\]"
  ):
    build(f'saved_model:path={keras_file}', shape=(41, 20), name='log_mel')
  with pytest.raises(errors.DatasetError, match=r"takes float32 \[any\] .*'image' is \[8, 8, 3\]"):
    build(f'saved_model:path={encoder},output=energy', shape=(8, 8, 3), name='image')
  with pytest.raises(
    errors.ConfigError, match=r"no result or layer 'embed'.*conv, embedding, scores"
  ):
    build(f'saved_model:path={keras_file},output=embed', shape=(40, 20), name='log_mel')


def test_a_path_without_a_model_is_refused(tmp_path):
  (tmp_path / 'text.keras').write_text('no model')
  (tmp_path / 'folder').mkdir()
  for path, sentence in (
    ('', 'needs the path of a model'),
    (tmp_path / 'none', 'there is no such file or folder'),
    (tmp_path / 'text.keras', 'expected the folder of a TensorFlow SavedModel.*another or damaged'),
    (tmp_path / 'folder', 'expected the folder of a TensorFlow SavedModel.*another or damaged'),
  ):
    with pytest.raises(errors.ConfigError, match=sentence):
      build(f'saved_model:path={path}' if path else 'saved_model')


def test_what_takes_the_place_of_a_file_is_read_again(keras_file, encoder, tmp_path, monkeypatch):
  file, folder = tmp_path / 'network.keras', tmp_path / 'hub'
  shutil.copy(keras_file, file)
  shutil.copytree(encoder, folder)
  read, asked = saved_model._read_keras, []
  monkeypatch.setattr(saved_model, '_read_keras', lambda path: asked.append(path) or read(path))
  assert saved_model._read(str(file)).gives == saved_model._read(str(file)).gives
  assert len(asked) == 1
  source = keras.Input((7,))
  keras.Model(source, keras.layers.Dense(5, name='other')(source)).save(file)
  assert saved_model._read(str(file)).gives == {'other': (None, 5)}
  assert saved_model._read(str(folder)).takes == (None,)
  state = saved_model._state(str(folder))
  os.utime(folder / 'variables' / 'variables.index')
  assert saved_model._state(str(folder)) != state
