"""The same numbers on one device and on several, and the same as Keras's own training."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.devices import strategies_under_test
from tfrecords.pipeline import parts, shares
from trainer.data import device_feed
from trainer.devices import workers
from trainer.learning import losses, precision, steps

SHAPE = (6, 5)
NUM_LABELS = 4
BATCH = 13  # Divides by neither 2 nor 3.


def examples(count, *, seed=0):
  rng = np.random.default_rng(seed)
  return {
    'x': rng.normal(size=(count, *SHAPE)).astype(np.float16),
    'label': rng.integers(0, NUM_LABELS, count),
  }


def make_model(*, dropout=0.0, dtype='float32'):
  """A small model with every part that may differ between replicas but batch normalisation."""
  keras.utils.set_random_seed(3)
  with precision.policy(dtype):
    return keras.Sequential(
      [
        keras.Input(SHAPE),
        keras.layers.Reshape((*SHAPE, 1)),
        keras.layers.Conv2D(4, 3, activation='relu', kernel_regularizer=keras.regularizers.L2(0.1)),
        keras.layers.Flatten(),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(NUM_LABELS, dtype='float32'),
      ]
    )


def make_steps(name, *, optimizer=None, model=None, dtype='float32', **settings):
  names = ('clip_norm', 'jit_compile', 'accumulate')
  asked = steps.Settings(**{name: settings.pop(name) for name in names if name in settings})
  strategy = strategies_under_test.make(name)
  with strategy.scope():
    model = model() if model else make_model(dtype=dtype, **settings)
    optimizer = (optimizer or (lambda: keras.optimizers.Adam(0.01)))()
    optimizer = precision.protect(optimizer, dtype)
    optimizer.build(model.trainable_variables)
  compiled = steps.Steps(model, optimizer, strategy, feature_name='x', settings=asked)
  return compiled, model, optimizer, strategy


def batches(data, strategy, *, batch_size=BATCH, repeat=True):
  dataset = tf.data.Dataset.from_tensor_slices(data)
  dataset = (dataset.repeat() if repeat else dataset).batch(batch_size, drop_remainder=repeat)
  return to_devices(dataset, strategy)


def to_devices(dataset, strategy):
  """An iterator over whole batches, divided among the replicas."""
  return iter(divided(dataset, strategy))


def divided(dataset, strategy):
  """Whole batches, divided among the replicas."""

  def make(place):
    return parts.divided(dataset, shares.by_record(place))

  return device_feed.feed(make, strategy)


def train(name, num_steps=(1, 7, 4), **settings):
  compiled, model, optimizer, strategy = make_steps(name, **settings)
  feed = batches(examples(101), strategy)
  found = [compiled.train(feed, count) for count in num_steps]
  return np.concatenate([f.losses for f in found]), model, optimizer, found


@functools.cache
def on_one_device(optimizer=keras.optimizers.Adam):
  """Losses and weights of `train('none')`; to be looked at alone."""
  losses, model, _, _ = train('none', optimizer=lambda: optimizer(0.01))
  return losses, model.get_weights()


def scale_of(optimizer):
  return float(keras.ops.convert_to_numpy(optimizer.dynamic_scale))


def test_losses_and_weights_are_those_of_keras():
  """The oracle outside our code: `train_on_batch` on one device, from the same weights."""
  losses, weights = on_one_device()
  theirs = make_model()
  loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
  theirs.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
  data = examples(101)
  rows = np.arange(12 * BATCH) % 101
  expected = []
  for i in range(12):
    batch = rows[i * BATCH : (i + 1) * BATCH]
    x, y = data['x'][batch].astype(np.float32), data['label'][batch]
    expected.append(float(loss(y, theirs(x, training=True))))
    theirs.train_on_batch(x, y)
  np.testing.assert_allclose(losses, expected, rtol=1e-5)
  for ours, other in zip(weights, theirs.get_weights(), strict=True):
    np.testing.assert_allclose(ours, other, atol=1e-5)


@pytest.mark.parametrize('optimizer', [keras.optimizers.Adam, keras.optimizers.RMSprop])
@pytest.mark.parametrize('name', ['mirrored_1', 'mirrored_3'])
def test_losses_do_not_depend_on_the_number_of_replicas(name, optimizer):
  expected, weights = on_one_device(optimizer)
  losses, mirrored, _, found = train(name, optimizer=lambda: optimizer(0.01))
  np.testing.assert_allclose(losses, expected, atol=1e-5)
  assert all(f.counts.tolist() == [BATCH] * len(f.losses) for f in found)
  for ours, other in zip(mirrored.get_weights(), weights, strict=True):
    np.testing.assert_allclose(ours, other, atol=1e-5)


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_another_number_of_steps_compiles_nothing_anew(name):
  compiled, _, _, strategy = make_steps(name)
  feed = batches(examples(101), strategy)
  assert compiled.graph is None
  for count in (3, 1, 5):
    assert compiled.train(feed, count).losses.shape == (count,)
  assert compiled._compiled_train.experimental_get_tracing_count() == 1
  functions = compiled.graph.as_graph_def().library.function
  assert 'Conv2D' in {node.op for function in functions for node in function.node_def}


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_empty_part_in_training_makes_no_nan(name):
  """Our pipeline gives full batches; another one's remainder must do no harm either."""
  compiled, model, _, strategy = make_steps(name)
  dataset = tf.data.Dataset.from_tensor_slices(examples(14)).batch(BATCH)  # 13, then 1.
  feed = to_devices(dataset, strategy)
  found = compiled.train(feed, 1), compiled.train(feed, 1)
  assert [f.counts.tolist() for f in found] == [[13], [1]]
  assert all(np.isfinite(f.losses).all() for f in found)
  assert all(np.isfinite(weights).all() for weights in model.get_weights())


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
@pytest.mark.parametrize('dtype', ['mixed_float16', 'mixed_bfloat16'])
def test_mixed_precision_follows_float32(name, dtype):
  expected, _ = on_one_device()
  losses, model, optimizer, _ = train(name, dtype=dtype)
  # 8 bits of mantissa in bfloat16, 11 in float16, and Adam's steps amplify their rounding.
  np.testing.assert_allclose(losses, expected, rtol=0.05 if dtype == 'mixed_bfloat16' else 0.01)
  assert {weights.dtype for weights in model.get_weights()} == {np.dtype('float32')}
  assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == (dtype == 'mixed_float16')


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_gradients_are_scaled_for_the_way_back_and_unscaled_for_the_weights(name):
  """At 2**-20 of its size the gradient is below what float16 can hold; the step must not be."""
  tiny = 2.0**-20

  def model(dtype):
    keras.utils.set_random_seed(3)
    with precision.policy(dtype):
      return keras.Sequential(
        [
          keras.Input(SHAPE),
          keras.layers.Flatten(),
          keras.layers.Dense(8, activation='relu'),
          keras.layers.Dense(8, activation='relu'),
          keras.layers.Dense(NUM_LABELS, dtype='float32'),
          keras.layers.Rescaling(tiny, dtype='float32'),
        ]
      )

  def kernel_step(dtype, *, protected):
    compiled, trained, optimizer, strategy = make_steps(
      name,
      model=lambda: model(dtype),
      dtype=dtype if protected else 'float32',
      optimizer=lambda: keras.optimizers.SGD(1 / tiny),
    )
    before = trained.get_weights()[0]
    compiled.train(batches(examples(101), strategy), 1)
    return trained.get_weights()[0] - before, optimizer

  expected, _ = kernel_step('float32', protected=False)
  found, optimizer = kernel_step('mixed_float16', protected=True)
  lost, _ = kernel_step('mixed_float16', protected=False)
  largest = np.abs(expected).max()
  np.testing.assert_allclose(found, expected, atol=0.01 * largest)
  assert np.abs(lost - expected).max() > 0.1 * largest
  assert scale_of(optimizer) == 2.0**15


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_overflow_on_any_replica_skips_the_step_on_all(name):
  compiled, model, optimizer, strategy = make_steps(name, dtype='mixed_float16')
  before = model.get_weights()
  for where, scale in ((0, 2.0**14), (-1, 2.0**13)):
    data = examples(BATCH)
    data['x'][where] = 60_000  # Near float16's end: gradients go beyond it.
    assert compiled.train(batches(data, strategy), 1).skipped.tolist() == [True]
    assert scale_of(optimizer) == scale  # Halved.
    for new, old in zip(model.get_weights(), before, strict=True):
      np.testing.assert_array_equal(new, old)
  assert compiled.train(batches(examples(BATCH), strategy), 1).skipped.tolist() == [False]


@pytest.mark.parametrize('name', ['none', 'mirrored_1', 'mirrored_3'])
def test_replicas_drop_different_units(name):
  _, model, _, strategy = make_steps(name, dropout=0.5)
  steps.draw_apart(model, workers.Workers(strategy))
  flat = model.layers[-2]
  ones = tf.ones((1, 1000))

  @tf.function
  def dropped():
    return strategy.run(lambda: flat(ones, training=True))

  masks = [tuple(part.numpy()[0]) for part in strategy.experimental_local_results(dropped())]
  assert len(set(masks)) == strategies_under_test.REPLICAS[name]


def test_mirrored_model_is_saved_and_loads_on_one_device(tmp_path):
  _, model, _, _ = train('mirrored_3')
  model.save(tmp_path / 'model.keras')
  loaded = keras.saving.load_model(tmp_path / 'model.keras', compile=False)
  for new, old in zip(loaded.get_weights(), model.get_weights(), strict=True):
    np.testing.assert_array_equal(new, old)


@functools.cache
def one_step(name, dtype, *, clip_norm=0.0, **settings):
  """What a step of SGD adds to the weights."""
  compiled, model, _, strategy = make_steps(
    name,
    optimizer=lambda: keras.optimizers.SGD(1.0, **settings),
    dtype=dtype,
    clip_norm=clip_norm,
  )
  before = model.get_weights()
  compiled.train(batches(examples(101), strategy), 1)
  return [new - old for new, old in zip(model.get_weights(), before, strict=True)]


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
@pytest.mark.parametrize('dtype', ['float32', 'mixed_float16'])
def test_gradient_of_the_whole_batch_is_clipped(name, dtype):
  """As Keras's own `global_clipnorm` does on one device."""
  limit = 0.05

  def norm(parts):
    return np.sqrt(sum((part.astype(np.float64) ** 2).sum() for part in parts))

  found = one_step(name, dtype, clip_norm=limit)
  assert norm(found) == pytest.approx(limit, rel=1e-3)
  tolerance = 1e-6 if dtype == 'float32' else 1e-4
  theirs = one_step('none', dtype, global_clipnorm=limit)
  for ours, other in zip(found, theirs, strict=True):
    np.testing.assert_allclose(ours, other, atol=tolerance)
  free = norm(one_step('none', dtype))
  assert free > 2 * limit  # Else there was nothing to clip.
  # The step is the same on any number of replicas, and so is one that is short enough.
  np.testing.assert_allclose(
    norm(one_step(name, dtype, clip_norm=1e6)), free, rtol=1e-5 if dtype == 'float32' else 1e-3
  )


@pytest.mark.parametrize('count', [1, 5])
def test_smoothed_and_weighted_losses_are_those_of_keras_and_torch_like_formulas(count):
  rng = np.random.default_rng(1)
  labels = rng.integers(0, NUM_LABELS, count)
  logits = rng.normal(size=(count, NUM_LABELS)).astype(np.float32)
  theirs = keras.losses.CategoricalCrossentropy(
    from_logits=True, label_smoothing=0.2, reduction=None
  )(np.eye(NUM_LABELS)[labels], logits)
  weights = (0.5, 1.0, 2.0, 4.0)
  arguments = tf.constant(labels), tf.constant(logits)
  found = losses.Losses(label_smoothing=0.2).training(*arguments)
  np.testing.assert_allclose(found, theirs, rtol=1e-5)
  found = losses.Losses(label_smoothing=0.2, class_weights=weights).training(*arguments)
  np.testing.assert_allclose(found, np.array(weights)[labels] * theirs, rtol=1e-5)


@pytest.mark.parametrize('name', ['none', 'mirrored_2'])
def test_compiled_by_xla_it_is_the_same(name):
  expected, weights = on_one_device()
  losses, compiled, _, _ = train(name, jit_compile=True)
  np.testing.assert_allclose(losses, expected, atol=1e-5)
  for ours, other in zip(compiled.get_weights(), weights, strict=True):
    np.testing.assert_allclose(ours, other, atol=1e-5)
