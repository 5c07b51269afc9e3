"""The learning rate of every step, against Keras's own schedules and by hand."""

import keras
import numpy as np
import pytest

from schemas import errors, options
from trainer.learning import schedules

HORIZON = schedules.Horizon(steps_per_epoch=4, epochs=5)


def rates(text, num_steps=20, peak=0.5):
  """Through an optimizer, as training meets them."""
  optimizer = keras.optimizers.SGD(schedules.make(text, peak, HORIZON))
  weight = keras.Variable(1.0)
  optimizer.build([weight])
  found = []
  for _ in range(num_steps):
    found.append(float(optimizer.learning_rate))
    optimizer.apply([keras.ops.zeros(())])
  return np.array(found)


def test_settings_can_be_written_as_text():
  options.check_table(schedules.SETTINGS)


def test_without_settings_the_rate_stays():
  np.testing.assert_array_equal(rates('constant'), 0.5)


@pytest.mark.parametrize('name', schedules.SCHEDULES)
def test_warm_up_is_a_straight_line_to_the_full_rate(name):
  found = rates(f'{name}:warmup_epochs=1.5')
  np.testing.assert_allclose(found[:6], 0.5 * np.arange(1, 7) / 6, rtol=1e-6)
  np.testing.assert_allclose(found[6], 0.5, rtol=1e-6)  # Where the schedule itself begins.


@pytest.mark.parametrize('final', [0, 0.1])
def test_cosine_is_kerass(final):
  theirs = keras.optimizers.schedules.CosineDecay(
    0.0, 16, alpha=final, warmup_target=0.5, warmup_steps=4
  )
  found = rates(f'cosine:warmup_epochs=1,final={final}')
  np.testing.assert_allclose(found[4:], [float(theirs(i)) for i in range(4, 20)], atol=1e-6)
  assert found[-1] < 0.5 * final + 0.01


def test_steps_go_down_by_the_factor():
  found = rates('step:every_epochs=2,factor=0.5,warmup_epochs=1')
  np.testing.assert_allclose(found[4:], [0.5] * 8 + [0.25] * 8, rtol=1e-6)


def test_a_warm_up_of_the_whole_run_is_refused():
  with pytest.raises(errors.ConfigError, match='warms up for 5 epochs, of --epochs=5'):
    schedules.check('constant:warmup_epochs=5', epochs=5)
  schedules.check('constant:warmup_epochs=4.5', epochs=5)
