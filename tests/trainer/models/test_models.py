"""Parameter counts, settings and weights of the models."""

import pathlib

import numpy as np
import pytest

from schemas import errors, manifest
from tests.helpers import tiny_manifest
from trainer import models
from trainer.models import anatomy, application_weights, freezing, inputs

keras = pytest.importorskip('keras')

# "Very Deep Convolutional Networks" and Keras's own table of applications: without its top.
VGG16_TRUNK_PARAMETERS = 14_714_688


@pytest.fixture(scope='module')
def trunk():
  """VGG16 with weights that no initializer draws."""
  model = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
  rng = np.random.default_rng(3)
  model.set_weights([rng.normal(0, 0.02, w.shape).astype(np.float32) for w in model.get_weights()])
  return model


def build(text, **kwargs):
  return models.build(*models.parse(text), tiny_manifest.of(**kwargs))


def trained_blocks(model):
  network = anatomy.trunk(model).get_layer('vgg16')
  return sorted({layer.name[:6] for layer in network.layers if layer.trainable_weights})


def test_cnn_has_the_parameters_counted_by_hand():
  """98 x 80 -> 96 x 78 -> 48 x 39 -> 46 x 37 -> 23 x 18, with 32 filters."""
  model = build('cnn', shape=(98, 80), labels=tuple('abcdefghij'))
  convolutions = (3 * 3 * 1 * 32 + 32) + (3 * 3 * 32 * 32 + 32)
  dense = 23 * 18 * 32 * 64 + 64
  assert model.count_params() == convolutions + dense + 64 * 10 + 10 == 858_154


def test_cnn_settings_reach_the_layers():
  model = build('cnn:conv_layers=1,filters=4,kernel=5,pool=3,dense_units=7,dropout=0.25')
  trunk = anatomy.trunk(model)
  conv, pool = trunk.get_layer('block1_conv'), trunk.get_layer('block1_pool')
  assert (conv.filters, conv.kernel_size, pool.pool_size) == (4, (5, 5), (3, 3))
  assert trunk.get_layer('dense').units == 7
  assert model.get_layer('dropout').rate == 0.25
  assert not [layer for layer in trunk.layers if layer.name == 'block2_conv']


@pytest.mark.parametrize('text', ['cnn', 'cnn:conv_layers=3,kernel=2', 'cnn:pool=4,kernel=5'])
def test_cnn_takes_its_least_size_and_nothing_smaller(text):
  least = models.parse(text)[1].min_size
  build(text, shape=(least, least))
  with pytest.raises(errors.DatasetError, match=rf'at least {least} frames.*\[{least - 1}, 64\]'):
    build(text, shape=(least - 1, 64))


def test_vgg16_trunk_has_the_published_parameters():
  model = build('vgg16', shape=(98, 80), labels=tuple('abcdefghij'))
  assert anatomy.trunk(model).get_layer('vgg16').count_params() == VGG16_TRUNK_PARAMETERS
  head = 512 * 256 + 256 + 256 * 10 + 10
  assert model.count_params() == VGG16_TRUNK_PARAMETERS + head


def test_vgg16_pads_small_features_with_the_mean():
  """What is added is invisible: the feature in the middle of a larger one full of the mean."""
  keras.utils.set_random_seed(1)
  small = build('vgg16', shape=(23, 20), mean=(-7.0,))
  keras.utils.set_random_seed(1)
  large = build('vgg16', shape=(32, 32), mean=(-7.0,))
  batch = np.random.default_rng(0).normal(-7, 1, (2, 23, 20)).astype(np.float32)
  framed = np.pad(batch, ((0, 0), (4, 5), (6, 6)), constant_values=-7)
  np.testing.assert_allclose(small(batch), large(framed), atol=1e-5)


def test_vgg16_refuses_two_channels():
  with pytest.raises(errors.DatasetError, match='takes 1 or 3 channels.*2 channels.*--model=cnn'):
    build('vgg16', shape=(32, 32, 2))


def test_vgg16_from_scratch_trains_every_block():
  model = build('vgg16')
  trained = [layer for layer in anatomy.weighted_layers(model) if layer.trainable_weights]
  assert len(anatomy.blocks(anatomy.trunk(model))) == 5
  assert len(trained) == 13 + 2
  assert len(model.trainable_weights) == 2 * 13 + 2 * 2


def test_vgg16_from_scratch_keeps_the_signal_alive():
  """Glorot's numbers, Keras's default, would leave about 1/90 of it."""
  keras.utils.set_random_seed(0)
  trunk_out = anatomy.trunk(build('vgg16')).get_layer('vgg16')
  batch = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)
  assert 0.2 < np.std(trunk_out(batch)) < 20


@pytest.mark.parametrize('suffix', ['.weights.h5', '.keras'])
def test_vgg16_takes_weights_of_a_file(trunk, tmp_path, suffix):
  path = tmp_path / f'notop{suffix}'
  (trunk.save_weights if suffix == '.weights.h5' else trunk.save)(path)
  model = build(f'vgg16:weights={path}')
  check_published_weights(anatomy.trunk(model).get_layer('vgg16'), trunk)
  family, settings = models.MODELS['vgg16'], models.parse(f'vgg16:weights={path}')[1]
  assert family.is_pretrained(settings)
  assert not family.is_pretrained(family.settings())
  said = freezing.apply(model, freezing.AUTO, is_pretrained=True)
  assert said == '4 of 5 blocks of the trunk'
  assert trained_blocks(model) == ['block5'], 'pretrained: only the top block by default'
  assert anatomy.trunk(model).get_layer('input_scale').scale == pytest.approx(57.6)


def test_vgg16_takes_the_file_that_keras_publishes(trunk, tmp_path):
  """The layout of vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5, made by Keras's own writer."""
  h5py = pytest.importorskip('h5py')
  from keras.src.legacy.saving import legacy_h5_format

  path = tmp_path / 'vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5'
  with h5py.File(path, 'w') as file:
    legacy_h5_format.save_weights_to_hdf5_group(file, trunk)
  model = build(f'vgg16:weights={path}')
  check_published_weights(anatomy.trunk(model).get_layer('vgg16'), trunk)
  freezing.apply(model, freezing.TRUNK)
  assert trained_blocks(model) == []
  assert len(model.trainable_weights) == 4, 'the head trains'


def test_vgg16_takes_the_trunk_of_another_run(tmp_path):
  first = build('vgg16', labels=('a', 'b'))
  first.save(tmp_path / 'best.keras')
  second = build(f'vgg16:weights={tmp_path / "best.keras"}', shape=(40, 33))
  check_same_weights(
    anatomy.trunk(second).get_layer('vgg16'), anatomy.trunk(first).get_layer('vgg16')
  )
  assert anatomy.trunk(second).get_layer('input_scale').scale == [1, 1, 1], (
    'as the other run was trained'
  )


def check_published_weights(ours, published):
  """The same, but for the order of colours: ours are red, green, blue."""
  turned, *others = published.get_weights()
  expected = [turned[:, :, ::-1], *others]
  for a, b in zip(ours.get_weights(), expected, strict=True):
    np.testing.assert_array_equal(a, b)


def check_same_weights(ours, theirs):
  for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
  ('name', 'content', 'sentence'),
  [
    ('none.h5', None, 'there is no such file'),
    ('text.h5', b'no weights', 'VGG16 without its top.*another or damaged'),
    ('text.keras', b'no model', 'VGG16 without its top.*another or damaged'),
    ('weights.pt', b'other', r"ends in .keras or .h5, got '.pt'"),
  ],
)
def test_vgg16_names_what_is_wrong_with_a_file(tmp_path, name, content, sentence):
  path = tmp_path / name
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(errors.ConfigError, match=rf'(?s)weights={path}.*{sentence}'):
    build(f'vgg16:weights={path}')


@pytest.mark.parametrize('suffix', ['.weights.h5', '.keras'])
def test_vgg16_refuses_the_weights_of_another_network(tmp_path, suffix):
  path = tmp_path / f'cnn{suffix}'
  other = build('cnn:filters=4,dense_units=4')
  (other.save_weights if suffix == '.weights.h5' else other.save)(path)
  with pytest.raises(errors.ConfigError, match='VGG16 without its top'):
    build(f'vgg16:weights={path}')


def test_a_picture_gives_what_keras_gives_with_imagenets_weights(monkeypatch, trunk):
  """The oracle: keras.applications, from red, green, blue pixels through its own preprocessing."""
  real = keras.applications.VGG16
  monkeypatch.setattr(
    keras.applications,
    'VGG16',
    lambda *, weights, **kwargs: trunk if weights == 'imagenet' else real(weights=None, **kwargs),
  )
  # As the data set of ImageNet has them, and one deviation for all three channels.
  mean, variance = (123.68, 116.779, 103.939), (57.6**2,) * 3
  model = build('vgg16:weights=imagenet', shape=(32, 32, 3), mean=mean, variance=variance)
  pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
  ours = keras.Model(model.input, model.get_layer('average').output)(pixels)
  theirs = trunk(keras.applications.vgg16.preprocess_input(pixels.copy()))
  np.testing.assert_allclose(ours, np.mean(theirs, axis=(1, 2)), rtol=1e-4, atol=1e-6)


def test_imagenet_without_network_names_the_file_to_fetch(monkeypatch, tmp_path):
  monkeypatch.setenv('KERAS_HOME', str(tmp_path))

  def no_network(*args, weights, **kwargs):
    if weights == 'imagenet':
      raise Exception('URL fetch failure on https://example.org/x.h5: None -- [Errno -2]')
    return real(*args, weights=weights, **kwargs)

  real = keras.applications.VGG16
  monkeypatch.setattr(keras.applications, 'VGG16', no_network)
  with pytest.raises(
    errors.ConfigError,
    match=r'could not download.*Fetch vgg16_weights\w+notop\.h5.*--model=vgg16:weights=PATH/',
  ):
    build('vgg16:weights=imagenet')


def test_imagenet_weights_are_scaled_like_pixels(monkeypatch, trunk):
  real = keras.applications.VGG16

  def downloaded(*, weights, input_shape, **kwargs):
    if weights == 'imagenet':
      return trunk
    return real(weights=weights, input_shape=input_shape, **kwargs)

  monkeypatch.setattr(keras.applications, 'VGG16', downloaded)
  model = build('vgg16:weights=imagenet')
  check_published_weights(anatomy.trunk(model).get_layer('vgg16'), trunk)
  assert anatomy.trunk(model).get_layer('input_scale').scale == pytest.approx(57.6)
  assert (
    anatomy.trunk(build('vgg16:weights=imagenet,input_scale=2')).get_layer('input_scale').scale == 2
  )


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('vgg61', "No model is called 'vgg61'.*Did you mean 'vgg16'.*Known: .*cnn.*vgg16"),
    ('cnn:filtres=3', "no setting 'filtres'.*Did you mean 'filters'"),
    ('cnn:filters=0', 'filters must be at least 1 .*got 0'),
    ('cnn:dropout=1', r'dropout must be in \[0, 1\), got 1.0'),
    ('vgg16:dropout=nan', r'dropout must be in \[0, 1\), got nan'),
    ('vgg16:blocks=-1', 'blocks must be at least 0 .*got -1'),
    ('vgg16:head_units=-1', 'head_units must be at least 0 .*got -1'),
    ('mobilenet_v3_small:weights=imagenet,alpha=0.5', 'those of alpha=1, got alpha=0.5'),
    ('vgg16:input_scale=-1', 'input_scale must be positive .*, got -1.0'),
    ('vgg16:weights=', 'weights must be none, imagenet or the path of a file'),
  ],
)
def test_wrong_settings_are_refused_at_once(text, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    models.parse(text)


def test_data_set_without_training_records_is_refused():
  dataset = tiny_manifest.of()
  empty = manifest.FeatureStatistics(count=0, mean=(0.0,) * 32, variance=(0.0,) * 32)
  for statistics in ({}, {'log_mel': empty}):
    broken = type(dataset)(
      **{**vars(dataset), 'statistics': statistics},
    )
    with pytest.raises(errors.DatasetError, match='train split is empty.*more speakers'):
      models.build(*models.parse('cnn'), broken)


def test_one_label_is_refused():
  with pytest.raises(errors.DatasetError, match="one label, 'yes'"):
    build('cnn', labels=('yes',))


def test_waveforms_have_one_mean_for_all_samples():
  waveform = tiny_manifest.of(shape=(100,), name='waveform', mean=(0.5,), variance=(4.0,))
  out = inputs.normalised(
    np.full((2, 100), 2.5, np.float32), waveform.features[0], waveform.statistics['waveform']
  )
  np.testing.assert_array_equal(out, np.ones((2, 100)))


def test_models_are_listed_without_loading_tensorflow():
  import subprocess
  import sys

  script = (
    'import sys, trainer.models as m\n'
    "m.parse('vgg16')\n"
    "sys.exit(any(n in sys.modules for n in ('keras', 'tensorflow')))"
  )
  root = pathlib.Path(__file__).parents[3]
  assert subprocess.run([sys.executable, '-c', script], cwd=root, check=False).returncode == 0


# The networks of keras.applications beside VGG16.

PREPROCESSING = {
  'resnet50': keras.applications.resnet50.preprocess_input,
  # They want pixels in [0, 255]: this one in its own layers.
  'efficientnet_b0': lambda pixels: pixels,
  'mobilenet_v3_small': lambda pixels: pixels,
}


def published_file(path, network):
  """Writes weights in the layout of the files that Keras publishes, by Keras's own writer."""
  h5py = pytest.importorskip('h5py')
  from keras.src.legacy.saving import legacy_h5_format

  rng = np.random.default_rng(3)
  for weight in network.weights:
    if weight.name in {'moving_variance', 'gamma'}:
      weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    elif weight.path.startswith('normalization'):  # Mean and, in Keras's file, deviation.
      if weight.name != 'count':
        numbers = {'mean': (0.485, 0.456, 0.406), 'variance': (0.229, 0.224, 0.225)}
        weight.assign(np.array(numbers[weight.name]).reshape(weight.shape))
    elif weight.name in {'bias', 'beta', 'moving_mean'}:
      weight.assign(rng.normal(0, 0.1, weight.shape))
  with h5py.File(path, 'w') as file:
    legacy_h5_format.save_weights_to_hdf5_group(file, network)


@pytest.mark.parametrize('name', PREPROCESSING)
def test_a_picture_gives_what_keras_gives_with_the_weights_that_it_has(name, monkeypatch, tmp_path):
  """The oracle: keras.applications with weights="imagenet" out of its cache, and its own pixels."""
  from keras.src.utils import file_utils

  published = getattr(application_weights, name.upper())
  path = tmp_path / published.file
  function = getattr(keras.applications, published.network)
  keras.utils.set_random_seed(2)
  published_file(path, function(include_top=False, weights=None, input_shape=(32, 32, 3)))
  monkeypatch.setattr(file_utils, 'get_file', lambda *args, **kwargs: str(path))
  deviation = 255 * np.array((0.229, 0.224, 0.225))
  if name != 'efficientnet_b0':  # They divide by one number.
    deviation = np.full(3, 57.6)
  mean = (123.675, 116.28, 103.53)
  if name == 'resnet50':
    mean = (123.68, 116.779, 103.939)
  statistics = {'mean': mean, 'variance': tuple((deviation**2).tolist())}
  pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
  theirs = function(include_top=False, weights='imagenet', input_shape=(32, 32, 3))
  wanted = np.array(theirs(PREPROCESSING[name](pixels.copy())))
  # Where the file comes from is the same for all: one is asked for by both names.
  for weights in (path, 'imagenet') if name == 'mobilenet_v3_small' else (path,):
    model = build(f'{name}:weights={weights}', shape=(32, 32, 3), **statistics)
    found = anatomy.trunk(model)(pixels)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_the_lowest_blocks_of_a_network_are_a_network():
  whole = anatomy.trunk(build('mobilenet_v3_small')).get_layer('mobilenet_v3_small')
  lowest = anatomy.lowest_blocks(whole, 3)
  assert lowest.layers == whole.layers[: len(lowest.layers)]
  assert len(anatomy.blocks(lowest)) == 3
  batch = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
  inner = keras.Model(whole.input, whole.get_layer(lowest.layers[-1].name).output)
  np.testing.assert_array_equal(lowest(batch), inner(batch))
  with pytest.raises(errors.ConfigError, match='blocks=11: mobilenet_v3_small has 10 blocks'):
    build('mobilenet_v3_small:blocks=11')
