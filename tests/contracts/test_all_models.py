"""What every model promises, over the whole table and every precision policy.

All of it is to take under 3 minutes: a model is built once for several promises, and the toys are
tiny. What belongs to the seam of all models (normalisation) is asked of two of them.
"""

import dataclasses
import functools

import numpy as np
import pytest

from schemas import errors, options
from tests.helpers import toy_models
from trainer import models
from trainer.learning import precision
from trainer.models import anatomy
from trainer.models import model as model_lib

keras = pytest.importorskip('keras')
tf = pytest.importorskip('tensorflow')

POLICIES = ('float32', 'mixed_float16', 'mixed_bfloat16')
SHAPE = (32, 32)
ANY_LENGTH = toy_models.OF_ANY_LENGTH
# At the input and the labels of the paper or of the issue that asks for the model: its numbers.
PUBLISHED = {
  ('conv1d', '8 kHz'): ((8_000,), 10, 1_611_498),
  # The memory of the paper's table 7 without that of values: a byte for each.
  ('ds_cnn', 's'): ((49, 10), 12, 22_604),
  ('ds_cnn:size=m', 'm'): ((49, 10), 12, 135_032),
  ('ds_cnn:size=l', 'l'): ((49, 10), 12, 410_700),
  ('res15', ''): ((101, 40), 12, 238_000),
  ('tc_resnet', '8'): ((98, 40), 12, 66_000),
  ('tc_resnet:depth=14,width=1.5', '14-1.5'): ((98, 40), 12, 305_000),
  ('matchboxnet', '3x1x64'): ((128, 64), 30, 77_000),
  ('matchboxnet:repeats=2', '3x2x64'): ((128, 64), 30, 93_000),
  ('matchboxnet:blocks=6,repeats=2', '6x2x64'): ((128, 64), 30, 140_000),
  ('kwt', '1'): ((98, 40), 35, 607_000),
  ('kwt:heads=2', '2'): ((98, 40), 35, 2_394_000),
  ('kwt:heads=3', '3'): ((98, 40), 35, 5_361_000),
  ('bc_resnet', '1'): ((98, 40), 12, 9_200),
  ('bc_resnet:width=8', '8'): ((98, 40), 12, 321_000),
}


def examples(count, shape, *, seed=0):
  return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def logits_of(model, batch):
  return np.array(model(batch, training=False))


@functools.cache
def _compiled(model):
  signature = [tf.TensorSpec(one.shape, one.dtype) for one in model.inputs]
  return tf.function(  # Traced once for all lengths.
    lambda *batch: model(batch if len(batch) > 1 else batch[0], training=False),
    input_signature=signature,
  )


def quick_logits_of(model, batch):
  """The same of a graph: recurrent layers take a millisecond a row without."""
  batch = batch if isinstance(batch, list) else [batch]
  return _compiled(model)(
    *(tf.cast(one, spec.dtype) for one, spec in zip(batch, model.inputs, strict=True))
  ).numpy()


def with_biases(model):
  """A model as if it had learned: biases and moving statistics are not those of a fresh one.

  Padding would stay zero through all layers of a fresh one.
  """
  rng = np.random.default_rng(4)
  for variable in model.variables:
    if variable.name in {'bias', 'beta', 'moving_mean'}:
      variable.assign(rng.uniform(0.05, 0.2, variable.shape))
    elif variable.name in {'gamma', 'moving_variance'}:
      variable.assign(rng.uniform(0.5, 1.5, variable.shape))
  return model


@functools.cache
def toy(name, policy='float32'):
  """A model that tests look at and leave as it is."""
  with precision.policy(policy):
    return with_biases(toy_models.build(name, mean=(1.5,), variance=(4.0,)))


@functools.cache
def any_length(name, policy='float32'):
  """The same on clips of any length, with a mean that is not the padding's zero."""
  size = toy_models.shape(name, is_variable=True)
  with precision.policy(policy):
    return with_biases(toy_models.build(name, size=size, mean=(1.5,), variance=(4.0,)))


def test_every_model_has_a_toy():
  assert set(toy_models.TOYS) == set(models.MODELS)


def test_settings_can_be_written_as_text():
  options.check_table(models.SETTINGS)


@pytest.mark.parametrize('name', toy_models.params())
def test_default_settings_are_found_by_the_bare_name(name):
  assert models.parse(name) == (name, models.MODELS[name].settings())


@pytest.mark.parametrize('name', toy_models.params())
def test_counts_that_nothing_can_hold_are_refused_at_once(name):
  for field in dataclasses.fields(models.SETTINGS[name]):
    if field.type in (int, 'int'):
      with pytest.raises(errors.ConfigError, match=f'{field.name} must be .*got 100000000000'):
        models.SETTINGS[name](**{field.name: 10**11})


def computes_in(model, name, policy):
  """Whether the trunk computes in the precision that was asked for, where it computes."""
  found = {layer.compute_dtype for layer in anatomy.weighted_layers(anatomy.trunk(model))}
  return not found or name == 'saved_model' or policy.removeprefix('mixed_') in found  # Its file.


def check_logits(name, policy):
  model = toy(name, policy)
  logits = model(examples(2, toy_models.shape(name)), training=False)
  assert tuple(logits.shape) == (2, 3)
  assert logits.dtype == 'float32', f'logits must leave {policy} before the loss'
  assert np.isfinite(logits).all()
  assert computes_in(model, name, policy)
  return model, np.array(logits)


@pytest.mark.parametrize('policy', ['float32', 'mixed_float16'])
@pytest.mark.parametrize('name', toy_models.params())
def test_logits_are_float32_and_saved_models_give_the_same(name, policy, tmp_path):
  model, logits = check_logits(name, policy)
  if policy == 'mixed_float16':  # In float32 another process opens them.
    model.save(tmp_path / 'model.keras')
    loaded = keras.models.load_model(tmp_path / 'model.keras', compile=False)
    batch = examples(2, toy_models.shape(name))
    np.testing.assert_array_equal(logits_of(loaded, batch), logits)


@pytest.mark.parametrize(
  'name', toy_models.params(name for name in models.MODELS if name not in ANY_LENGTH)
)
def test_logits_are_float32_under_bfloat16(name):
  """That of the other models: with clips of any length."""
  check_logits(name, 'mixed_bfloat16')


def kinds_of_layers(name):
  return {type(layer).__name__ for layer in toy(name)._flatten_layers()}


@pytest.mark.parametrize('name', models.MODELS)
@pytest.mark.one_stack
def test_what_is_tried_of_some_models_is_tried_of_every_kind_of_layer(name):
  tried = set().union(*map(kinds_of_layers, toy_models.EVERY_LAYER))
  assert kinds_of_layers(name) <= tried, 'add the model to toy_models.EVERY_LAYER'


@pytest.mark.parametrize('name', toy_models.params())
def test_a_trunk_and_its_blocks_are_found(name):
  trunk = anatomy.trunk(toy(name))
  assert trunk is not None
  blocks = anatomy.blocks(trunk)
  found = [layer.name for block in blocks for layer in block]
  assert len(found) == len(set(found))
  assert sum(layer.count_params() for block in blocks for layer in block) == sum(
    layer.count_params() for layer in anatomy.weighted_layers(trunk)
  )
  # Without a logit: what an embedding is.
  assert not any(layer.name == 'logits' for layer in anatomy.weighted_layers(trunk))


def kernels(model):
  """What is drawn when a model is made, and `with_biases` leaves."""
  return [one.numpy() for one in model.trainable_variables if 'kernel' in one.name]


@pytest.mark.parametrize('name', toy_models.params())
def test_the_same_seed_is_the_same_model_and_eight_clips_are_learned(name):
  shape = toy_models.shape(name)
  labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
  # Noise, on waves that are a label's own.
  angles = np.linspace(0, 2 * np.pi, shape[-1], dtype=np.float32)
  waves = np.sin(angles * (1 + 4 * labels)[:, None]).reshape(8, *[1] * (len(shape) - 1), -1)
  batch = examples(8, shape, seed=3) + waves.astype(np.float32)
  model = toy_models.build(name)
  same_seed, other_seed = toy(name), toy_models.build(name, seed=5)
  assert all(np.array_equal(*pair) for pair in zip(kernels(model), kernels(same_seed), strict=True))
  assert not all(
    np.array_equal(*pair) for pair in zip(kernels(model), kernels(other_seed), strict=True)
  )
  optimizer = keras.optimizers.Adam(models.MODELS[name].learning_rate)
  optimizer.build(model.trainable_variables)
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

  @tf.function
  def step():
    with tf.GradientTape() as tape:
      found = loss(labels, model(batch, training=True))
    weights = model.trainable_variables
    optimizer.apply(tape.gradient(found, weights), weights)

  for _ in range(20):
    for _ in range(5):
      step()
    if (quick_logits_of(model, batch).argmax(axis=1) == labels).all():
      return
  raise AssertionError(f'{name} cannot tell 8 clips apart after 100 steps')


@pytest.mark.parametrize('name', toy_models.params())
def test_exported_models_give_the_same_logits(name, tmp_path):
  model, batch = toy(name), examples(2, toy_models.shape(name))
  model.export(tmp_path / 'model', verbose=False)
  exported = tf.saved_model.load(tmp_path / 'model')
  wanted = logits_of(model, batch)
  np.testing.assert_allclose(exported.serve(batch), wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(('text', 'size'), PUBLISHED)
def test_parameters_are_those_of_the_paper(text, size):
  shape, num_labels, wanted = PUBLISHED[text, size]
  found = toy_models.parameters(text, shape, num_labels=num_labels)
  assert abs(found / wanted - 1) < 0.02, found


@pytest.mark.parametrize('name', toy_models.params(n for n in models.MODELS if n != 'saved_model'))
def test_every_kind_of_feature_of_its_row_is_taken_and_no_other(name):
  for kind in model_lib.Takes:
    if kind not in models.MODELS[name].takes:
      with pytest.raises(errors.DatasetError, match=rf"Model '{name}' takes .*--feature="):
        toy_models.build(name, kind=kind)
    elif kind != toy_models.takes(name):
      made = toy_models.build(name, kind=kind)
      assert logits_of(made, examples(2, toy_models.SHAPES[kind])).shape == (2, 3)


@pytest.mark.parametrize('name', toy_models.params())
def test_longer_and_shorter_clips_are_taken(name):
  first, *others = toy_models.shape(name)
  shape = (first // 2, *others)
  assert np.isfinite(logits_of(toy_models.build(name, size=shape), examples(2, shape))).all()
  with keras.StatelessScope(initialize_variables=False):
    assert toy_models.build(name, size=(3 * first, *others)).output_shape == (None, 3)


# The seam: what no model has to think of.


@pytest.mark.parametrize('name', ['cnn', 'vgg16'])
def test_normalisation_stands_inside(name):
  """A louder and shifted feature with statistics to match gives the same logits."""
  per_bin = np.linspace(-8, 8, SHAPE[-1], dtype=np.float32)
  plain = toy_models.build(name)
  shifted = toy_models.build(name, mean=tuple(per_bin.tolist()), variance=(9.0,))
  other_mean = toy_models.build(name, mean=tuple((per_bin + 1).tolist()), variance=(9.0,))
  batch = examples(2, SHAPE)
  expected = logits_of(plain, batch)
  np.testing.assert_allclose(
    logits_of(shifted, batch * 3 + per_bin), expected, rtol=1e-4, atol=1e-4
  )
  assert np.abs(logits_of(other_mean, batch * 3 + per_bin) - expected).max() > 1e-3


def test_normalisation_is_float32_under_half_precision():
  """Float16 knows 8,192 and 8,200 but nothing between: the mean must go before the rounding."""
  with precision.policy('mixed_float16'):
    plain, far = toy_models.build('cnn'), toy_models.build('cnn', mean=(8192.0,))
  batch = np.round(examples(2, SHAPE) * 64) / 64  # Sums with 8,192 that float32 holds exactly.
  np.testing.assert_array_equal(logits_of(far, batch + 8192), logits_of(plain, batch))


def test_bins_that_never_moved_in_training_do_not_explode():
  variance = (1.0,) * (SHAPE[-1] - 1) + (0.0,)
  model = toy_models.build('cnn', variance=variance)
  assert np.abs(logits_of(model, examples(2, SHAPE))).max() < 1e4


def test_silence_alone_is_no_division_by_zero():
  model = toy_models.build('cnn', variance=(0.0,))
  assert np.isfinite(logits_of(model, np.zeros((2, *SHAPE), np.float32))).all()
