"""Mirrored on any number of GPUs is one GPU, step by step."""

import numpy as np
import pytest

from tests.gpu import devices as devices_lib

pytestmark = pytest.mark.gpu

EXACT = {
  'model': 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0',
  'epochs': 4,
  'patience': 0,
  'batch_size': 11,  # Divides by none of 2 to 8.
  'learning_rate': 0.001,
  'clip_norm': 1.0,
  'ema': 0.9,
  'steps_per_execution': 1,
  'tf32': False,
}
STEPS = 16  # Of 44 clips, four times.
# Sums in another order, amplified by 16 steps of Adam; 10 bits of mantissa are off by 1e-3.
TOLERANCE = 1e-4


@pytest.fixture(scope='module')
def single(devices, data_dir, tmp_path_factory):
  """The folder of a run on one device."""
  run_dir = tmp_path_factory.mktemp('single') / 'run'
  said = devices.train(run_dir, data=data_dir, **EXACT)
  assert f'devices  {devices.names(1)}, batches of 11, float32' in said
  return run_dir


def assert_same(found, expected):
  ours, theirs = devices_lib.step_losses(found), devices_lib.step_losses(expected)
  assert sorted(ours) == sorted(theirs) == list(range(1, STEPS + 1))
  np.testing.assert_allclose(
    [ours[step] for step in sorted(ours)], [theirs[step] for step in sorted(ours)], atol=TOLERANCE
  )
  for one, other in zip(devices_lib.history(found), devices_lib.history(expected), strict=True):
    assert one['validation']['num_examples'] == 11
    assert one['validation'] == pytest.approx(other['validation'], abs=TOLERANCE)
  mine, his = devices_lib.weights(found), devices_lib.weights(expected)
  assert mine.keys() == his.keys()
  assert mine
  for name, values in mine.items():
    np.testing.assert_allclose(values, his[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize('count', range(1, 9))
def test_mirrored_is_the_same_as_one_device_step_by_step(
  count, devices, single, data_dir, tmp_path
):
  if count > devices.count:
    pytest.skip(f'there are {devices.count} devices')
  said = devices.train(tmp_path / 'run', data=data_dir, **EXACT, **devices.mirrored(count))
  assert f'devices  {devices.names(count)}, batches of 11, ' in said
  assert_same(tmp_path / 'run', single)


def test_parts_of_one_gpu_are_the_same_as_the_whole(gpus, single, data_dir, tmp_path):
  """Where there is one alone, mirrored is tried on parts of it."""
  said = gpus.train(
    tmp_path / 'run', data=data_dir, **EXACT, strategy='mirrored', virtual_devices=3
  )
  assert 'devices  GPU:0, GPU:1, GPU:2, batches of 11, 3-4 examples on each' in said
  assert_same(tmp_path / 'run', single)


def test_more_devices_than_there_are_is_refused(devices, data_dir, tmp_path):
  count = devices.count + 1
  flags = {**devices.mirrored(devices.count), 'strategy': f'mirrored:num_devices={count}'}
  done = devices.start('trainer', run_dir=tmp_path / 'run', data=data_dir, **flags)
  assert done.returncode == 2
  sentence = f'needs {count} devices, this machine has {devices.count}: '
  assert sentence + devices.names(devices.count) in done.stderr
  assert not (tmp_path / 'run').exists()
