"""Batch normalisation on one device and on several, with padding and without, against NumPy."""

import functools

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from schemas import errors
from tests.trainer.devices import strategies_under_test
from tests.trainer.learning import test_steps as small
from trainer import assembly
from trainer.devices import workers as workers_lib
from trainer.learning import batch_statistics, precision
from trainer.runs import training_state

MOMENTUM = 0.8


def make_model(*, dtype='float32'):
  """Convolution and batch normalisation, the latter in a model inside, and one in front.

  Nothing is added that the next normalisation takes off again: Adam would follow the rounding.
  """
  keras.utils.set_random_seed(3)
  with precision.policy(dtype):
    inside = [
      keras.Input((*small.SHAPE, 1)),
      keras.layers.Conv2D(4, 3, use_bias=False),
      keras.layers.BatchNormalization(momentum=MOMENTUM),
      keras.layers.Activation('relu'),
    ]
    model = keras.Sequential(
      [
        keras.Input(small.SHAPE),
        keras.layers.BatchNormalization(momentum=MOMENTUM, center=False, name='front'),
        keras.layers.Reshape((*small.SHAPE, 1)),
        keras.Sequential(inside, name='trunk'),
        keras.layers.Flatten(),
        keras.layers.Dense(small.NUM_LABELS, dtype='float32'),
      ]
    )
  batch_statistics.make_exact(model)
  return model


def uneven(count):
  """Examples whose mean drifts, so that each replica sees others."""
  data = small.examples(count)
  drift = np.arange(count) % small.BATCH
  return {**data, 'x': (data['x'] + drift[:, None, None]).astype(np.float32)}


class Run:
  """Compiled steps, which tests share: to compile them takes the time. Tests begin by `restart`."""

  def __init__(self, name, *, dtype='float32'):
    self.compiled, self.model, _, self.strategy = small.make_steps(
      name, model=functools.partial(make_model, dtype=dtype), dtype=dtype
    )
    self.workers = workers_lib.Workers(self.strategy)
    self.front = self.model.get_layer('front')
    self.start = self.capture()

  def restart(self, data, *, repeat=True):
    """From the first weights on, over other examples."""
    self.restore(self.start)
    self.feed = self.batches(data, repeat=repeat)

  def batches(self, data, *, repeat=True, skip=0):
    dataset = tf.data.Dataset.from_tensor_slices(data)
    dataset = (dataset.repeat() if repeat else dataset).batch(small.BATCH).skip(skip)
    return small.to_devices(dataset, self.strategy)

  def train(self, count):
    return self.compiled.train(self.feed, count)

  def capture(self):
    return training_state.capture(self.compiled.variables, self.workers)

  def restore(self, arrays):
    training_state.restore(self.compiled.variables, arrays, self.workers)

  def check_replicas_agree(self):
    for name, variable in self.compiled.variables.items():
      copies = [x.numpy() for x in self.strategy.experimental_local_results(variable)]
      assert all(np.array_equal(copy, copies[0]) for copy in copies), name


@functools.cache
def run(name):
  return Run(name)


@functools.cache
def on_one_device():
  run('none').restart(uneven(101))
  return run('none').train(10).losses, run('none').model.get_weights()


def test_on_one_device_it_is_what_keras_does():
  """The oracle outside our code: Keras's layer by itself."""
  x = np.random.default_rng(1).normal(3, 2, (11, 5, 4)).astype(np.float32)
  ours, theirs = keras.layers.BatchNormalization(), keras.layers.BatchNormalization()
  for layer in (ours, theirs):
    layer.build(x.shape)
  batch_statistics.make_exact(keras.Sequential([ours]))
  for training in (True, False):
    np.testing.assert_allclose(
      ours(x, training=training), theirs(x, training=training), rtol=1e-5, atol=1e-6
    )
  for new, old in zip(ours.get_weights(), theirs.get_weights(), strict=True):
    np.testing.assert_allclose(new, old, rtol=1e-6)


def test_losses_and_statistics_do_not_depend_on_the_number_of_replicas():
  expected, weights = on_one_device()
  mirrored = run('mirrored_3')
  mirrored.restart(uneven(101))
  losses = np.concatenate([mirrored.train(count).losses for count in (1, 9)])
  np.testing.assert_allclose(losses, expected, atol=1e-5)
  for ours, other in zip(mirrored.model.get_weights(), weights, strict=True):
    np.testing.assert_allclose(ours, other, rtol=1e-4, atol=1e-5)
  mirrored.check_replicas_agree()


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_a_run_that_is_gone_on_with_has_the_same_bits(name):
  calm = run(name)
  calm.restart(uneven(101))
  calm.train(3)
  saved = calm.capture()
  losses, end = calm.train(3).losses, calm.capture()
  calm.feed = calm.batches(uneven(101), skip=3)
  calm.restore(saved)
  np.testing.assert_array_equal(calm.train(3).losses, losses)
  again = calm.capture()
  assert all(np.array_equal(again[name], end[name]) for name in end)


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=40)
def test_moments_are_those_of_the_values_that_are_no_padding(data):
  batch, rows, channels = (data.draw(st.integers(1, most)) for most in (5, 9, 3))
  num_rows = np.array(data.draw(st.lists(st.integers(1, rows), min_size=batch, max_size=batch)))
  mean, deviation = data.draw(st.sampled_from([(0, 1), (1e4, 1), (-3, 1e-2), (1e-3, 1e3)]))
  has_bins = data.draw(st.booleans())
  shape = (batch, rows, 2, channels) if has_bins else (batch, rows, channels)
  x = np.random.default_rng(0).normal(mean, deviation, shape).astype(np.float32)
  real = np.arange(rows) < num_rows[:, None]
  x[~real] = 77  # Must not be seen.
  layer = keras.layers.BatchNormalization(momentum=0.0)  # Keeps what it saw last.
  layer.build(x.shape)
  batch_statistics.make_exact(keras.Sequential([layer]))
  layer(x, training=True, mask=tf.constant(real[:, :, None] if has_bins else real))
  seen = x[real].reshape(-1, channels).astype(np.float64)
  # A mean near zero is as wrong as its largest value is rounded.
  rounding = 4 * np.finfo(np.float32).eps * np.abs(seen).max()
  np.testing.assert_allclose(layer.moving_mean, seen.mean(axis=0), rtol=1e-5, atol=rounding)
  # The mean of values near 10,000 is right to 0.001 in float32.
  np.testing.assert_allclose(
    layer.moving_variance, seen.var(axis=0), rtol=1e-3, atol=1e-6 if mean < 1e3 else 1e-5
  )


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_large_means_lose_no_variance(name):
  """By mean squares less squared means, float32 would find no variance at all."""
  data = uneven(small.BATCH)
  data['x'] += 5000
  run(name).restart(data)
  run(name).train(1)
  expected = data['x'].astype(np.float64).var(axis=(0, 1))
  found = run(name).front.moving_variance
  np.testing.assert_allclose(found, MOMENTUM + (1 - MOMENTUM) * expected, rtol=1e-3)


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_what_a_replica_without_examples_gets_does_not_count(name):
  data = uneven(small.BATCH + 1)
  run(name).restart(data, repeat=False)
  run(name).train(1)
  before = run(name).front.moving_mean.numpy()
  assert run(name).train(1).counts == [1]  # On one replica.
  expected = MOMENTUM * before + (1 - MOMENTUM) * data['x'][-1].mean(axis=0)
  np.testing.assert_allclose(run(name).front.moving_mean, expected, rtol=1e-5)
  run(name).check_replicas_agree()


def test_frozen_layers_stay_in_inference():
  model = make_model()
  front, trained = batch_statistics.layers(model)
  front.trainable = False
  before = front.get_weights()
  model(uneven(5)['x'], training=True)
  for new, old in zip(front.get_weights(), before, strict=True):
    np.testing.assert_array_equal(new, old)
  assert not np.array_equal(trained.moving_mean, np.zeros(4))


def test_overflow_in_half_precision_does_not_stay_in_the_statistics():
  expected, _ = on_one_device()
  half = Run('mirrored_2', dtype='mixed_float16')
  half.restart(uneven(101))
  np.testing.assert_allclose(half.train(10).losses, expected, rtol=0.1)
  before = half.model.get_weights()
  data = uneven(small.BATCH)
  data['x'][-1] = np.inf
  half.feed = half.batches(data)
  assert half.train(1).skipped.tolist() == [True]
  for new, old in zip(half.model.get_weights(), before, strict=True):
    np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_statistics_are_float32_in_every_precision(dtype):
  layer = keras.layers.BatchNormalization(momentum=0.0, dtype=f'mixed_{dtype}')
  layer.build((None, 3))
  batch_statistics.make_exact(keras.Sequential([layer]))
  x = tf.cast(np.random.default_rng(0).normal(300, 20, (999, 3)), dtype)
  assert layer(x, training=True).dtype == dtype
  seen = tf.cast(x, tf.float64).numpy()  # Their sum is beyond float16, and so are their squares.
  np.testing.assert_allclose(layer.moving_mean, seen.mean(axis=0), rtol=1e-6)
  np.testing.assert_allclose(layer.moving_variance, seen.var(axis=0), rtol=1e-5)


def test_every_layer_is_found_once_and_what_is_no_batch_normalisation_is_left_alone():
  shared = keras.layers.BatchNormalization()
  x = keras.Input((4, 3))
  inner = keras.Sequential([keras.Input((4, 3)), shared, keras.layers.Dense(3)])
  apart = keras.layers.TimeDistributed(keras.layers.BatchNormalization())
  model = keras.Model(x, apart(inner(shared(x))))
  assert batch_statistics.layers(model) == [shared, apart.layer]
  dense = inner.layers[-1]
  batch_statistics.make_exact(model)
  assert 'call' in vars(shared)
  assert 'call' not in vars(dense)


def test_compiled_by_xla_it_is_the_same_on_one_device():
  expected, _ = on_one_device()
  compiled, model, _, strategy = small.make_steps('none', model=make_model, jit_compile=True)
  assembly.check_compilable(model, strategy)
  feed = small.to_devices(
    tf.data.Dataset.from_tensor_slices(uneven(101)).repeat().batch(small.BATCH), strategy
  )
  np.testing.assert_allclose(compiled.train(feed, 10).losses, expected, atol=1e-5)


def test_xla_on_several_devices_is_refused_where_they_exchange_statistics():
  strategy = strategies_under_test.make('mirrored_3')
  model = make_model()
  with pytest.raises(errors.ConfigError, match=r'--jit_compile cannot train .* on 3 devices'):
    assembly.check_compilable(model, strategy)
  model.trainable = False  # Frozen layers exchange nothing.
  assembly.check_compilable(model, strategy)


def test_batch_renormalisation_is_refused():
  layer = keras.layers.BatchNormalization(renorm=True, name='theirs')
  with pytest.raises(errors.ConfigError, match=r"'theirs'.*renorm=True"):
    batch_statistics.make_exact(keras.Sequential([layer]))


def test_what_is_saved_is_keras_alone(tmp_path):
  model = run('mirrored_2').model
  path = tmp_path / 'model.keras'
  model.save(path)
  loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
  assert all('call' not in vars(layer) for layer in batch_statistics.layers(loaded))
  for new, old in zip(loaded.get_weights(), model.get_weights(), strict=True):
    np.testing.assert_array_equal(new, old)
  x = small.examples(5)['x'].astype(np.float32)
  np.testing.assert_array_equal(loaded(x), model(x))
