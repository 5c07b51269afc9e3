"""The devices under test, and where there are none a word why."""

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
  path = tmp_path_factory.mktemp('data') / 'tiny'
  speakers = {split: names for split, names in datasets.SPEAKERS.items() if split != 'test'}
  datasets.write_dataset(path, clips_per_speaker=11, speakers=speakers)
  return path
