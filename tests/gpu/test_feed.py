"""The device never waits: the next batch is read and copied while a step computes."""

import json

import pytest

pytestmark = pytest.mark.gpu


def measured(devices, **settings):
  done = devices.start('tests.gpu.feed_ratio', **settings)
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout)


def test_a_step_on_real_data_takes_as_long_as_on_a_batch_that_lies_there(gpus):
  """The one test here that asserts a speed: a ratio, of turns in one process."""
  found = measured(gpus, model='vgg16', batch_size=128, clips=8_192, steps=40, turns=15)
  assert found['ratio'] <= 1.03, found


def test_both_feeds_are_measured(devices):
  """The arithmetic of the test above, on any machine: no speed is asserted."""
  model = 'cnn:conv_layers=1,filters=2,dense_units=4'
  found = measured(devices, model=model, batch_size=8, clips=64, steps=2, turns=3)
  assert len(found['ratios']) == 3
  assert sorted(found['ratios'])[1] == found['ratio'] > 0
  assert min(found['real_s'], found['random_s']) > 0
