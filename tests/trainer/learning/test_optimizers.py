import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas import options
from tests.trainer.devices import strategies_under_test
from trainer.learning import class_weights, optimizers

MEANT = {  # What Keras's own constructor is told for it.
  'adam:beta_1=0.8,epsilon=1e-3': (keras.optimizers.Adam, {'beta_1': 0.8, 'epsilon': 1e-3}),
  'adamw:weight_decay=0.1': (keras.optimizers.AdamW, {'weight_decay': 0.1}),
  'sgd': (keras.optimizers.SGD, {'momentum': 0.9}),
  'sgd:nesterov=true,weight_decay=0.1': (
    keras.optimizers.SGD,
    {'momentum': 0.9, 'nesterov': True, 'weight_decay': 0.1},
  ),
  'rmsprop:rho=0.5,momentum=0.3': (keras.optimizers.RMSprop, {'rho': 0.5, 'momentum': 0.3}),
}


def moved(optimizer, variables):
  """The variables after three steps of one gradient."""
  optimizer.build(variables)
  for _ in range(3):
    optimizer.apply([keras.ops.full(v.shape, 0.3) for v in variables])
  return [np.array(v.value) for v in variables]


def test_settings_can_be_written_as_text():
  options.check_table(optimizers.SETTINGS)


@pytest.mark.parametrize('text', MEANT)
def test_moves_weights_as_kerass_does(text):
  cls, arguments = MEANT[text]
  ours, theirs = ([keras.Variable(np.ones((2, 3)))] for _ in range(2))
  found = moved(optimizers.make(text, 0.1, ours), ours)
  np.testing.assert_array_equal(found, moved(cls(0.1, **arguments), theirs))


@pytest.mark.parametrize('name', ['adamw', 'sgd', 'rmsprop'])
def test_weight_decay_spares_vectors(name):
  def make(decay):
    variables = [keras.Variable(np.ones((2, 3))), keras.Variable(np.ones(3))]
    return moved(optimizers.make(f'{name}:weight_decay={decay}', 0.1, variables), variables)

  (matrix, vector), (decayed_matrix, decayed_vector) = make(0), make(0.5)
  assert (decayed_matrix < matrix - 0.05).all()
  np.testing.assert_array_equal(decayed_vector, vector)


@pytest.mark.parametrize(
  ('rule', 'batch_size', 'expected'),
  [('none', 256, 0.1), ('linear', 256, 0.4), ('linear', 32, 0.05), ('sqrt', 256, 0.2)],
)
def test_rate_of_a_batch(rule, batch_size, expected):
  found = optimizers.scaled(0.1, rule, batch_size=batch_size)
  assert found == pytest.approx(expected)


def test_balanced_weights_are_scikit_learns():
  from sklearn.utils import class_weight

  labels = np.repeat([0, 1, 2], [10, 1, 4])
  expected = class_weight.compute_class_weight('balanced', classes=np.arange(3), y=labels)
  found = class_weights.CLASS_WEIGHTS['balanced']([10, 1, 4])
  np.testing.assert_allclose(found, expected)
  assert np.dot(found, [10, 1, 4]) == pytest.approx(15)
  assert class_weights.CLASS_WEIGHTS['balanced']([2, 0, 4])[1] == 1
  assert class_weights.CLASS_WEIGHTS['none']([1, 2]) is None


def replicated(name, make):
  """Two variables after three steps under a strategy, by the optimizers that `make` gives."""
  strategy = strategies_under_test.make(name)
  with strategy.scope():
    variables = [keras.Variable(np.full((2, 3), value)) for value in (1.0, 2.0)]
    parts = make(*variables)
    for optimizer, mine in parts:
      optimizer.build(mine)

  @tf.function
  def step():
    def replica():
      for optimizer, mine in parts:
        share = 0.3 / strategy.num_replicas_in_sync
        optimizer.apply([keras.ops.full(v.shape, share) for v in mine], mine)

    strategy.run(replica)

  for _ in range(3):
    step()
  return [np.array(v.value) for v in variables]


@pytest.mark.parametrize('name', ['none', 'mirrored_2'])
@pytest.mark.parametrize('text', MEANT)
def test_two_rates_are_two_optimizers_of_keras(text, name):
  cls, arguments = MEANT[text]

  def ours(trunk, head):
    optimizer = optimizers.make(text, 0.1, [trunk, head], slow=[trunk], factor=0.2)
    assert optimizers.slow_factor(optimizer) == 0.2
    return [(optimizer, [trunk, head])]

  def theirs(trunk, head):
    return [(cls(0.02, **arguments), [trunk]), (cls(0.1, **arguments), [head])]

  # The rate is a product here: 0.1 * 0.2 is not 0.02 to the last bit.
  np.testing.assert_allclose(replicated(name, ours), replicated(name, theirs), rtol=1e-6)


def test_two_rates_follow_a_schedule_and_loss_scaling():
  schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)

  def scaled(optimizer):
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)

  def ours(trunk, head):
    made = optimizers.make('adamw', schedule, [trunk, head], slow=[trunk], factor=0.2)
    assert optimizers.slow_factor(scaled(made)) == 0.2
    return [(scaled(made), [trunk, head])]

  def theirs(trunk, head):
    slower = keras.optimizers.schedules.ExponentialDecay(0.02, 1, 0.5)
    return [
      (scaled(keras.optimizers.AdamW(slower)), [trunk]),
      (scaled(keras.optimizers.AdamW(schedule)), [head]),
    ]

  np.testing.assert_allclose(replicated('none', ours), replicated('none', theirs), rtol=1e-6)
