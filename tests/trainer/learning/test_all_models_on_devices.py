"""Models learn the same on two devices as on one, and keep the same state on both.

It takes seconds a model, for its layers' graphs, so that it is tried of models that have every kind
of layer; the contract of all models says when there is another kind. On the second stack it is
tried of recurrent layers, batch normalisation, attention and a part out of a file.
"""

import numpy as np
import pytest

from tests.helpers import toy_models
from tests.trainer.learning import test_steps
from trainer.learning import batch_statistics

NUM_STEPS = 3


@pytest.mark.parametrize(
  'name',
  toy_models.params(toy_models.EVERY_LAYER, second_stack=('crnn', 'tcn', 'kwt', 'saved_model')),
)
def test_losses_and_states_are_those_of_one_device(name):
  rng = np.random.default_rng(0)
  shape = toy_models.shape(name)
  data = {
    'x': rng.normal(size=(5, *shape)).astype(np.float32),  # Does not divide by 2.
    'label': np.arange(5) % 3,
  }
  losses, states = [], []
  for devices in ('none', 'mirrored_2'):
    # A model's own rate: the first steps of Adam are as long as it, whatever the gradient.
    made = test_steps.make_steps(devices, model=lambda: _exact(name), optimizer=_sgd)
    compiled, _, _, strategy = made
    batches = test_steps.batches(data, strategy, batch_size=5)
    losses.append(compiled.train(batches, NUM_STEPS).losses)
    for variable in compiled.variables.values():
      copies = [copy.numpy() for copy in strategy.experimental_local_results(variable)]
      assert all(np.array_equal(copies[0], copy) for copy in copies), 'replicas drift apart'
    states.append({n: v.numpy() for n, v in compiled.variables.items() if n[:5] == 'model'})
  np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5, atol=1e-5)
  for variable, wanted in states[0].items():
    np.testing.assert_allclose(states[1][variable], wanted, atol=1e-4, err_msg=variable)


def _exact(name):
  model = toy_models.build(name)
  batch_statistics.make_exact(model)
  return model


def _sgd():
  from trainer.lazy import keras

  return keras.optimizers.SGD(0.01)
