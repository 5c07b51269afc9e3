"""Three logical CPUs for the whole process, so that strategies are tried without GPUs.

pytest reads this file before it runs the first test, and TensorFlow takes the number before it
computes the first thing.
"""

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import pytest
import tensorflow as tf
from tensorflow.python.framework import config as framework_config

from tests.helpers import datasets

NUM_CPUS = 3

tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * NUM_CPUS
)


@pytest.fixture(autouse=True)
def _no_determinism_left_behind():
  """A run may switch it on for its process; TensorFlow's public interface cannot switch it off."""
  yield
  framework_config.disable_op_determinism()


@pytest.fixture(scope='session')
def data_dir(tmp_path_factory):
  """A data set with 44 clips to train on, 11 for validation and 22 for the test."""
  path = tmp_path_factory.mktemp('data') / 'tiny'
  datasets.write_dataset(path, clips_per_speaker=11)
  return str(path)


@pytest.fixture(scope='session')
def untested_dir(tmp_path_factory):
  """The same without a test split: runs on it end without a report, which takes a second."""
  path = tmp_path_factory.mktemp('data') / 'untested'
  speakers = {split: names for split, names in datasets.SPEAKERS.items() if split != 'test'}
  datasets.write_dataset(path, clips_per_speaker=11, speakers=speakers)
  return str(path)
