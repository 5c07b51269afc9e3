import os

import pytest
import tensorflow as tf

from schemas import errors, options
from tests.trainer.devices import strategies_under_test
from trainer.devices import machine, strategies, workers


def test_settings_can_be_written_as_text():
  options.check_table(strategies.SETTINGS)


@pytest.mark.parametrize('name', ['none', 'mirrored'])
def test_every_strategy_runs_on_one_device(name):
  strategy = strategies.make(name, ['CPU:0'])
  assert strategy.num_replicas_in_sync == 1
  total = strategy.reduce('SUM', strategy.run(lambda: tf.constant(3)), axis=None)
  assert int(total) == 3


@pytest.mark.parametrize(('name', 'replicas'), strategies_under_test.REPLICAS.items())
def test_every_device_is_a_replica(name, replicas):
  strategy = strategies_under_test.make(name)
  total = strategy.reduce('SUM', strategy.run(lambda: tf.constant(1)), axis=None)
  assert int(total) == strategy.num_replicas_in_sync == replicas


def test_the_first_devices_can_be_asked_for():
  strategy = strategies.make('mirrored:num_devices=2', ['CPU:0', 'CPU:1', 'CPU:2'])
  assert strategy.num_replicas_in_sync == 2


def test_more_devices_than_there_are_is_refused():
  with pytest.raises(errors.ConfigError, match=r'needs 4 devices, this machine has 1: CPU:0.*4'):
    strategies.make('mirrored:num_devices=4', ['CPU:0'])


def test_cpu_is_split_already():
  machine.split(0)
  machine.split(3)  # As conftest.py did.
  with pytest.raises(errors.ConfigError, match='comes too late.* with 3'):
    machine.split(4)


def test_devices_without_a_gpu():
  if tf.config.list_physical_devices('GPU'):
    pytest.skip('this machine has a GPU')
  assert machine.devices() == ['CPU:0']
  assert machine.devices(virtual=2) == ['CPU:0', 'CPU:1']


def test_batch_smaller_than_the_replicas_is_refused():
  with pytest.raises(errors.ConfigError, match=r'--batch_size=2 leaves some of the 3 devices'):
    machine.prepare('mirrored', virtual_devices=3, batch_size=2)


def test_what_each_device_gets_is_said():
  strategy = machine.prepare('mirrored', virtual_devices=3, batch_size=64)
  described = machine.describe(workers.Workers(strategy), batch_size=64, virtual_devices=3)
  assert described == 'CPU:0, CPU:1, CPU:2, batches of 64, 21-22 examples on each'


@pytest.mark.parametrize('set_by_user', ['', ':16:8'])
def test_recurrent_layers_of_a_gpu_are_told_to_repeat_their_bits(set_by_user, monkeypatch):
  name = 'CUBLAS_WORKSPACE_CONFIG'
  monkeypatch.setenv(name, set_by_user)
  if not set_by_user:
    monkeypatch.delenv(name)
  machine.prepare('none', batch_size=1, deterministic=False)
  assert os.environ.get(name, '') == set_by_user
  machine.prepare('none', batch_size=1)
  assert os.environ[name] == (set_by_user or ':4096:8')


def test_a_gpu_that_tensorflow_cannot_use_is_noticed(tmp_path, monkeypatch):
  if tf.config.list_physical_devices('GPU'):
    pytest.skip('this machine has a GPU')
  monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
  monkeypatch.setattr(machine, '_GPU_FILES', str(tmp_path / 'nvidia[0-9]*'))
  assert machine.unused_gpus() == []
  (tmp_path / 'nvidia0').touch()
  (tmp_path / 'nvidiactl').touch()
  assert machine.unused_gpus() == [str(tmp_path / 'nvidia0')]
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
  assert machine.unused_gpus() == []
