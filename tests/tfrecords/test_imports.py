"""What the data job's workers import brings no TensorFlow: seconds and hundreds of MB each."""

import os
import subprocess
import sys

import pytest

ON_THE_JOBS_PATH = [
  'tfrecords',
  'tfrecords.wire.codec',
  'tfrecords.wire.example_proto',
  'tfrecords.wire.framing',
  'tfrecords.manifest_file',
  'tfrecords.reader',
  'tfrecords.storage',
  'tfrecords.tfds_metadata',
  'tfrecords.writer',
]


@pytest.mark.parametrize('blocked', ['tensorflow', 'tensorflow_datasets'])
def test_the_jobs_modules_do_without(blocked):
  code = (
    'import sys\n'
    f'sys.modules[{blocked!r}] = None\n'  # An import of it would now fail.
    f'import {", ".join(ON_THE_JOBS_PATH)}\n'
    'loaded = [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras")]\n'
    'print([name for name in loaded if sys.modules[name]], end="")\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert (done.stdout, done.stderr) == ('[]', '')
