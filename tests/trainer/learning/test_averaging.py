"""Averages of weights, against NumPy, on any number of replicas."""

import numpy as np
import pytest

from tests.trainer.devices import strategies_under_test
from tests.trainer.learning import test_batch_statistics as normalised
from tests.trainer.learning import test_steps as small
from trainer.learning import averaging, steps


def make(name, decay=0.95, **settings):
  compiled, model, optimizer, strategy = small.make_steps(name, **settings)
  averages = averaging.Averages(model, strategy, decay=decay)
  compiled = steps.Steps(model, optimizer, strategy, feature_name='x', averages=averages)
  return compiled, model, strategy


@pytest.mark.parametrize('name', strategies_under_test.EXTREMES)
def test_averages_are_those_of_every_step(name):
  """Also of the statistics of batch normalisation."""
  compiled, model, strategy = make(name, model=normalised.make_model)
  feed = small.batches(small.examples(101), strategy)
  expected = model.get_weights()
  for step in range(1, 25):
    compiled.train(feed, 1)
    kept = min(0.95, (1 + step) / (10 + step))
    expected = [
      kept * old + (1 - kept) * new for old, new in zip(expected, model.get_weights(), strict=True)
    ]
  before = model.get_weights()
  with compiled.averaged_weights():
    for found, wanted in zip(model.get_weights(), expected, strict=True):
      np.testing.assert_allclose(found, wanted, atol=1e-5)
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
