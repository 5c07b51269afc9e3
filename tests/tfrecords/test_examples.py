"""The records of a split as NumPy arrays."""

import subprocess
import sys

import numpy as np
import pytest

from schemas import errors
from tests.helpers import datasets
from tfrecords import examples


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('examples') / 'tiny'
  datasets.write_dataset(path, num_shards={'train': 3, 'validation': 1, 'test': 1})
  return str(path)


def test_every_example_comes_once_whole(folder):
  found = list(examples.read(folder, 'train'))
  assert len({one.id for one in found}) == len(found) > 6
  for one in found:
    assert one.label == ('no', 'yes', 'zero')[one.label_index]
    assert np.isfinite(one.arrays['log_mel']).all()


@pytest.mark.parametrize('num_parts', [1, 2, 3, 5])
def test_each_example_is_in_one_part(folder, num_parts):
  parts = [
    [one.id for one in examples.read(folder, 'train', part=part, num_parts=num_parts)]
    for part in range(num_parts)
  ]
  together = [name for part in parts for name in part]
  assert sorted(together) == sorted(one.id for one in examples.read(folder, 'train'))


@pytest.mark.parametrize(
  ('asked', 'said'),
  [
    ({'split': 'dev'}, 'has no dev split; it has train, validation, test'),
    ({'split': 'train', 'feature_names': ['mfcc']}, 'mfcc'),
    ({'split': 'train', 'part': 2, 'num_parts': 2}, r'part must be in \[0, 2\), got 2'),
  ],
)
def test_what_is_not_there_is_named(folder, asked, said):
  with pytest.raises(errors.VoxshardError, match=said):
    list(examples.read(folder, **asked))


def test_no_tensorflow_is_needed(folder):
  code = (
    'import sys; from tfrecords import examples; '
    'n = sum(1 for _ in examples.read(sys.argv[1], "train")); '
    'print(n, "tensorflow" in sys.modules, "keras" in sys.modules)'
  )
  done = subprocess.run(
    [sys.executable, '-c', code, folder], capture_output=True, text=True, check=True
  )
  assert done.stdout.split()[1:] == ['False', 'False']
