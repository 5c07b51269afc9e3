"""The page on predicting tells how a run is used without our packages; it is done here."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from schemas import audio as audio_schema
from tests.helpers import made_runs

PAGE = pathlib.Path(__file__).parent.parent.parent.parent / 'docs' / 'prediction.md'
AUDIO = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)
# Each run behind the other in one process, and what was asked and answered.
ALONE = """
import sys
import numpy as np

block = sys.argv[1]
for path in sys.argv[2:]:
  there = {}
  exec(block.replace('runs/words', path), there)
  np.savez(path + '/said.npz', clips=there['clips'], logits=there['logits'])
  ours = {'exports', 'features', 'schemas', 'tfrecords', 'trainer'} & set(sys.modules)
  assert not ours, ours
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs')
  labels = ('ja', 'nein', 'ähm')
  kinds = {
    'stored': {'feature': 'log_mel:num_mels=20'},
    'computed': {'feature': 'waveform', 'compute': 'log_mel:num_mels=20'},
  }
  return [
    made_runs.make(folder / name, audio=AUDIO, labels=labels, **settings)
    for name, settings in kinds.items()
  ]


def test_keras_alone_opens_the_best_model_as_the_page_says(runs, tmp_path):
  (block,) = re.findall(r'```python\n(.*?)```', PAGE.read_text('utf-8'), re.DOTALL)
  block = block.replace('np.zeros((2, ', 'np.random.default_rng(1).normal(size=(2, ')
  block = block.replace("), 'float32')  # Put", ")).astype('float32')  # Put")
  assert 'normal' in block and 'astype' in block
  paths = [run.folder.path for run in runs]
  # -I: neither the folder of the project nor the user's packages.
  done = subprocess.run(
    [sys.executable, '-I', '-c', ALONE, block, *paths],
    cwd=tmp_path, capture_output=True, text=True, check=False,
    env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'KERAS_BACKEND': 'tensorflow'},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  for run, line in zip(runs, done.stdout.splitlines(), strict=True):
    said = np.load(f'{run.folder.path}/said.npz')
    model = run.load_model('best')
    logits = np.asarray(model(said['clips'], training=False))
    np.testing.assert_allclose(said['logits'], logits, atol=1e-5)
    assert line == str([run.manifest.labels[i] for i in logits.argmax(axis=1)])
