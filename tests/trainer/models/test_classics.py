"""The models that are neither of a paper of their own nor of keras.applications."""

import numpy as np
import pytest

from schemas import errors, record
from tests.helpers import tiny_manifest
from trainer import models
from trainer.models import anatomy, clip_rows

keras = pytest.importorskip('keras')


def build(text, **kwargs):
  return models.build(*models.parse(text), tiny_manifest.of(**kwargs))


@pytest.mark.parametrize('text', ['linear', 'linear:pool=true'])
def test_linear_is_the_logistic_regression_of_scikit_learn(text):
  linear_model = pytest.importorskip('sklearn.linear_model')
  import tensorflow as tf

  rng = np.random.default_rng(0)
  label = rng.integers(0, 3, 300)
  clips = rng.normal(size=(300, 4, 2)).astype(np.float32)
  clips += 0.3 * label[:, None, None]  # They overlap: there is one best solution.
  model = build(text, shape=(4, 2))
  if text == 'linear':
    vectors = clips.reshape(300, 8)
  else:
    vectors = np.concatenate([clips.mean(axis=1), np.sqrt(clips.var(axis=1) + 1e-6)], axis=1)
  np.testing.assert_allclose(anatomy.trunk(model)(clips), vectors, atol=1e-5)
  theirs = linear_model.LogisticRegression(C=np.inf, tol=1e-8, max_iter=1_000)
  theirs.fit(vectors, label)

  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  optimizer = keras.optimizers.Adam(0.05)

  @tf.function(jit_compile=False)
  def train(num_steps):
    for _ in tf.range(num_steps):
      with tf.GradientTape() as tape:
        found = loss(label, model(clips, training=True))
      optimizer.apply(tape.gradient(found, model.trainable_variables), model.trainable_variables)

  optimizer.build(model.trainable_variables)
  for rate in (0.05, 0.005):
    optimizer.learning_rate.assign(rate)
    train(tf.constant(400))
  found = keras.ops.softmax(model(clips)).numpy()
  np.testing.assert_allclose(found, theirs.predict_proba(vectors), atol=0.002)


@pytest.mark.parametrize('name', ['linear', 'mlp'])
def test_samples_are_not_pooled(name):
  with pytest.raises(
    errors.DatasetError, match=r"Model '\w+' .* is \[any\]: nothing would be left"
  ):
    build(name, shape=(None,), name='waveform')
  with pytest.raises(errors.DatasetError, match=r'with pool=true.*\[800\]'):
    build(f'{name}:pool=true', shape=(800,), name='waveform')


def test_mlp_settings_reach_the_layers():
  model = build('mlp:layers=3,units=7,dropout=0.25,pool=true', shape=(6, 5))
  trunk = anatomy.trunk(model)
  assert [layer.units for layer in trunk.layers if layer.name.endswith('dense')] == [7, 7, 7]
  assert trunk.get_layer('block1_dense').kernel.shape == (10, 7)
  dropouts = [*trunk.layers, *model.layers]
  assert [x.rate for x in dropouts if isinstance(x, keras.layers.Dropout)] == [0.25] * 3


def test_conv1d_has_the_layers_of_its_row():
  model = build('conv1d', shape=(8_000,), labels=tuple('abcdefghij'), name='waveform')
  assert sum(w.shape.num_elements() for w in model.trainable_weights) == 1_611_498
  layers = anatomy.trunk(model).layers
  convs = [x for x in layers if isinstance(x, keras.layers.Conv1D)]
  assert [(x.filters, *x.kernel_size) for x in convs] == [(8, 13), (16, 11), (32, 9), (64, 7)]
  assert {x.pool_size for x in layers if isinstance(x, keras.layers.MaxPooling1D)} == {(3,)}
  assert {x.activation.__name__ for x in convs} == {'relu'}
  dropouts = [x for x in [*layers, *model.layers] if isinstance(x, keras.layers.Dropout)]
  assert [x.rate for x in dropouts] == [0.3] * 6
  assert [x.units for x in layers if isinstance(x, keras.layers.Dense)] == [256, 128]


def test_conv1d_takes_its_least_size_and_nothing_smaller():
  text = 'conv1d:filters=1,dense_units=2'
  build(text, shape=(357,), name='waveform')
  with pytest.raises(errors.DatasetError, match=r'at least 357 samples.*\[356\].*--clip_seconds'):
    build(text, shape=(356,), name='waveform')


@pytest.mark.parametrize('name', ['rnn', 'gru', 'bigru', 'lstm', 'bilstm'])
def test_recurrent_settings_reach_the_layers(name):
  model = build(f'{name}:layers=2,units=6,dropout=0.25', shape=(None, 5))
  trunk = anatomy.trunk(model)
  kind = {'rnn': 'SimpleRNN', 'gru': 'GRU', 'lstm': 'LSTM'}[name.removeprefix('bi')]
  first, second = [layer for block in anatomy.blocks(trunk) for layer in block]
  assert [first.name[:7], second.name[:7]] == ['block1_', 'block2_']
  for layer in (first, second):
    inner = layer.forward_layer if name.startswith('bi') else layer
    assert (type(inner).__name__, inner.units) == (kind, 6)
  assert trunk.output_shape[0] == (None, None, 12 if name.startswith('bi') else 6)
  assert trunk.get_layer('block2_dropout').rate == model.get_layer('dropout').rate == 0.25


def test_deep_conv1d_has_the_layers_of_its_row():
  feature = record.FeatureSpec(name='waveform', shape=(16_000,), dtype='int16', settings={})
  with keras.StatelessScope(initialize_variables=False):
    model = models.network(*models.parse('deep_conv1d'), feature, None, num_labels=10)
  trunk = anatomy.trunk(model)
  assert trunk.output_shape == (None, 31, 1024)
  convs = [x for x in trunk.layers if isinstance(x, keras.layers.Conv1D)]
  twice = [(8 * 2**i, 3) for i in range(9) for _ in (1, 2)]
  assert [(x.filters, *x.kernel_size) for x in convs] == [*twice, (1024, 1)]
  norms = [x for x in trunk.layers if isinstance(x, keras.layers.BatchNormalization)]
  assert len(norms) == 1 + len(twice)
  assert model.get_layer('dense').units == 1024
  assert model.get_layer('dropout').rate == 0.2


def test_age_cnn_has_the_layers_of_its_row():
  trunk = anatomy.trunk(build('age_cnn', shape=(49, 40)))
  kinds = (keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.BatchNormalization)
  layers = [x for x in trunk.layers if isinstance(x, kinds)]
  assert [(x.filters, x.kernel_size, x.strides) for x in layers if isinstance(x, kinds[0])] == [
    (32, (3, 3), (2, 2)),
    (16, (5, 5), (1, 1)),
    (8, (2, 2), (1, 1)),
  ]
  assert [(x.pool_size, x.strides) for x in layers if isinstance(x, kinds[1])] == [
    ((2, 2), (2, 2)),
    ((2, 2), (1, 1)),
  ]
  assert [x.name for x in layers] == (
    'block1_conv block1_norm block1_pool block2_conv block2_pool block3_conv block3_norm'.split()
  )


@pytest.mark.parametrize(
  ('text', 'least', 'name'),
  [
    ('age_cnn', 7, 'log_mel'),
    ('crnn:conv_layers=3', 8, 'log_mel'),
    ('deep_conv1d:blocks=4,units=8', 16, 'waveform'),
  ],
)
def test_least_sizes_are_taken_and_nothing_smaller(text, least, name):
  rest = () if name == 'waveform' else (least,)
  build(text, shape=(least, *rest), name=name)
  with pytest.raises(errors.DatasetError, match=rf"'{text.split(':')[0]}'.* at least {least} "):
    build(text, shape=(least - 1, *rest), name=name)
  if rest:
    with pytest.raises(errors.DatasetError, match=rf'at least {least} .*\[any, {least - 1}\]'):
      build(text, shape=(None, least - 1), name=name)


def test_crnn_attends_to_the_rows_that_its_scores_name():
  model = build('crnn:units=4,attention_units=4,dropout=0', shape=(16, 8))
  rows = np.random.default_rng(0).normal(size=(1, 4, 8)).astype(np.float32)
  x = clip_rows.Rows(keras.Input((4, 8)))
  settings = models.parse('crnn:units=4,attention_units=4,dropout=0')[1]
  head = keras.Model(x.values, models.MODELS['crnn'].head(x, settings).values)
  hidden, score = head.get_layer('attention'), head.get_layer('score')
  weights = np.exp(score(hidden(rows)).numpy()[0])
  wanted = (weights / weights.sum() * rows[0]).sum(axis=0)
  np.testing.assert_allclose(head(rows).numpy()[0], wanted, atol=1e-5)
  assert {'attention', 'score'} <= {layer.name for layer in model.layers}


def test_the_receptive_field_of_tcn_is_that_of_its_formula():
  """Each row sees itself and those in front of it that the formula counts; no other."""
  text = 'tcn:blocks=3,filters=8,kernel=3,dropout=0'
  field = models.parse(text)[1].receptive_field
  assert field == 1 + 2 * 2 * (1 + 2 + 4) == 29
  assert models.parse('tcn')[1].receptive_field == 125
  length, row = 80, 60
  trunk = anatomy.trunk(build(text, shape=(length, 4)))
  rng = np.random.default_rng(0)
  for layer in trunk.layers:
    if isinstance(layer, keras.layers.Conv1D):
      layer.bias.assign(rng.uniform(0.5, 1.0, layer.bias.shape))  # Of live ReLUs.
  clip = rng.normal(size=(length, 4)).astype(np.float32)
  # One changed row each, from far in front to behind.
  changed = np.stack([clip + 0.5 * (np.arange(length) == i)[:, None] * (i + 1) for i in range(80)])
  changed[:, :, 0] -= 0.3 * (changed[:, :, 0] != clip[:, 0])  # Not all channels alike.
  found = np.array(trunk(changed.astype(np.float32)))[:, row]
  moved = np.abs(found - np.array(trunk(clip[None]))[0, row]).max(axis=1) > 1e-6
  assert np.flatnonzero(moved).tolist() == list(range(row - field + 1, row + 1))
