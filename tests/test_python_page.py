"""The blocks of docs/python.md are run, one after the other, in the folders that they name."""

import pathlib
import re
import sys
import types

import numpy as np
import pytest
import soundfile

import features
from schemas import audio as audio_schema
from tests.helpers import datasets, made_runs, prediction_files, signals
from trainer.export import exporting

PAGE = pathlib.Path(__file__).parent.parent / 'docs' / 'python.md'
AUDIO = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """A folder with what `make demo` makes, and an export."""
  monkeypatch.chdir(tmp_path)
  spec = features.spec(*features.parse('log_mel:num_mels=20'), AUDIO)
  datasets.write_dataset('demo/data', features=[spec], audio=AUDIO, clips_per_speaker=3)
  run = made_runs.make('demo/run', feature='log_mel:num_mels=20', audio=AUDIO)
  exporting.write(exporting.make(run), 'exported', ['saved_model'], overwrite=False)
  rng = np.random.default_rng(1)
  prediction_files.write(
    pathlib.Path('demo/run/predictions.parquet'), 'ab', [0, 1], rng.normal(size=(2, 2))
  )
  for name in ('one.wav', 'two.wav'):
    soundfile.write(name, signals.noise(8_000), 8_000)
  return tmp_path


def test_the_blocks_of_the_page_run(folder, monkeypatch, capsys):
  # PyTorch is no library of ours: what stands for it has the names that the page uses.
  utils = types.ModuleType('torch.utils')
  utils.data = types.ModuleType('torch.utils.data')
  utils.data.IterableDataset = object
  utils.data.get_worker_info = lambda: types.SimpleNamespace(id=1, num_workers=2)
  utils.data.DataLoader = lambda dataset, batch_size, num_workers: dataset
  monkeypatch.setitem(sys.modules, 'torch', types.ModuleType('torch'))
  monkeypatch.setitem(sys.modules, 'torch.utils', utils)
  space = {}
  blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text(encoding='utf-8'), re.DOTALL)
  assert len(blocks) >= 7
  for i, block in enumerate(blocks):
    exec(compile(block, f'{PAGE.name}, block {i + 1}', 'exec'), space)
    if 'DataLoader' in block:
      part = list(space['batches'])
  assert {frames.shape for frames, _ in part} == {(98, 20)}
  assert space['logits'].shape[1] == 3
  assert 'one.wav' in capsys.readouterr().out
