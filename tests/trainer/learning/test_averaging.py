"""Averages of weights, against NumPy, on any number of replicas."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.devices import strategies_under_test
from tests.trainer.learning import test_batch_statistics as normalised
from tests.trainer.learning import test_steps as small
from trainer.learning import averaging, batch_statistics, steps

CLEAN = normalised.uneven(2 * small.BATCH)


def make(name, decay=0.95, *, statistics=False, **settings):
  compiled, model, optimizer, strategy = small.make_steps(name, **settings)
  measured = None
  if statistics:
    measured = batch_statistics.Measured(
      model,
      strategy,
      # Iterated anew each time.
      lambda: small.divided(tf.data.Dataset.from_tensor_slices(CLEAN).batch(small.BATCH), strategy),
      num_batches=2,
      feature_name='x',
    )
  averages = averaging.Averages(model, strategy, decay=decay, statistics=measured)
  compiled = steps.Steps(model, optimizer, strategy, feature_name='x', averages=averages)
  return compiled, model, strategy


def statistics_of(model, batches):
  """The means of the batches' moments, in each normalisation of normalised.make_model."""
  front, trunk = model.get_layer('front'), model.get_layer('trunk')
  found = []
  for x in batches:
    mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    scaled = (x - mean) / np.sqrt(variance + front.epsilon) * front.gamma.numpy()
    convolved = trunk.layers[0](scaled[..., None]).numpy()
    found.append([mean, variance, convolved.mean(axis=(0, 1, 2)), convolved.var(axis=(0, 1, 2))])
  return [np.mean(one, axis=0) for one in zip(*found, strict=True)]


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_averages_are_those_of_every_step_and_have_statistics_of_their_own(name):
  compiled, model, strategy = make(name, statistics=True, model=normalised.make_model)
  feed = small.batches(small.examples(101), strategy)
  trained = model.trainable_variables
  expected = [weight.numpy() for weight in trained]
  for step in range(1, 25):
    compiled.train(feed, 1)
    kept = min(0.95, (1 + step) / (10 + step))
    expected = [
      kept * old + (1 - kept) * new.numpy() for old, new in zip(expected, trained, strict=True)
    ]
  before = model.get_weights()
  moving = [
    one
    for layer in batch_statistics.layers(model)
    for one in (layer.moving_mean, layer.moving_variance)
  ]
  for _ in range(2):
    with compiled.averaged_weights():
      for found, wanted in zip(trained, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
      halves = CLEAN['x'][: small.BATCH], CLEAN['x'][small.BATCH :]
      for found, wanted in zip(moving, statistics_of(model, halves), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
      for weight in model.weights:
        copies = strategy.experimental_local_results(weight.value)
        assert all((copy.numpy() == copies[0].numpy()).all() for copy in copies)
    for found, wanted in zip(model.get_weights(), before, strict=True):
      np.testing.assert_array_equal(found, wanted)  # To the last bit.


def test_without_averages_the_weights_are_what_they_are():
  compiled, model, _, _ = small.make_steps('none')
  before = model.get_weights()
  with compiled.averaged_weights():
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_the_weights_come_back_after_an_error():
  compiled, model, strategy = make('mirrored_2')
  compiled.train(small.batches(small.examples(101), strategy), 5)
  before = model.get_weights()
  with pytest.raises(RuntimeError, match='disk'), compiled.averaged_weights():
    assert (model.get_weights()[0] != before[0]).any()
    raise RuntimeError('disk')
  np.testing.assert_array_equal(model.get_weights()[0], before[0])
