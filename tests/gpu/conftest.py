"""The devices under test, and where there are none a word why."""

import os
import subprocess
import sys

import pytest

from tests.gpu import devices as devices_lib
from tests.helpers import datasets


@pytest.fixture(scope='session')
def devices():
  """The GPUs of this machine, or what stands in for them."""
  found = devices_lib.find()
  if not found.count:
    from trainer.devices import machine

    unused = machine.unused_gpus()
    # Not skipped: whoever asks for these tests on such a machine believes that it trains on it.
    assert not unused, (
      f'TensorFlow can use none of {", ".join(unused)}. Into this environment: pip install '
      "'tensorflow[and-cuda]', of the version that is there"
    )
    pytest.skip(f'no GPU on this machine; {devices_lib.REHEARSAL}=3 lets CPUs stand in')
  return found


@pytest.fixture
def gpus(devices):
  """The same for what no other device can stand in for."""
  if not devices.are_gpus:
    pytest.skip('of GPUs alone: a CPU cannot stand in')
  return devices


@pytest.fixture(scope='session')
def data_dir(tmp_path_factory):
  """44 clips to train on and 11 for validation; no test split, so runs end without a report."""
  return _write(tmp_path_factory.mktemp('data') / 'tiny', datasets.LOG_MEL)


@pytest.fixture(scope='session')
def samples_dir(tmp_path_factory):
  """As many clips, for the models that take samples alone."""
  return _write(tmp_path_factory.mktemp('samples') / 'tiny', datasets.WAVEFORM)


@pytest.fixture(scope='session')
def network_file(tmp_path_factory):
  """A network for `saved_model`, made by a process of its own: this one takes no GPU's memory."""
  path = tmp_path_factory.mktemp('network') / 'network.keras'
  subprocess.run(
    [
      sys.executable, '-c',
      'import shutil, sys; from tests.helpers import toy_models; '
      'shutil.copy(toy_models.network_file(), sys.argv[1])',
      str(path),
    ],
    cwd=devices_lib.ROOT,
    env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''},
    check=True,
  )  # fmt: skip
  return path


def _write(path, feature):
  speakers = {split: names for split, names in datasets.SPEAKERS.items() if split != 'test'}
  datasets.write_dataset(path, features=(feature,), clips_per_speaker=11, speakers=speakers)
  return path
