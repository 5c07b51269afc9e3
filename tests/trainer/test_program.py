"""The program as a user meets it: another process, its exit code and what it prints."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from trainer.judging import answering, prediction
from trainer.runs import saved_run

ROOT = pathlib.Path(__file__).parent.parent.parent


def trainer(*arguments, cwd, **environment):
  return python('-m', 'trainer', *arguments, cwd=cwd, **environment)


def python(*arguments, cwd, **environment):
  return subprocess.run(
    [sys.executable, *arguments],
    cwd=cwd,
    env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
    capture_output=True,
    text=True,
    check=False,
    timeout=1_200,
  )


@pytest.fixture
def foreign_keras(tmp_path):
  """An environment in which Keras is another one than ours."""
  folder = tmp_path / 'keras'
  folder.mkdir()
  settings = {'floatx': 'float64', 'epsilon': 0.1, 'image_data_format': 'channels_first'}
  (folder / 'keras.json').write_text(json.dumps(settings | {'backend': 'torch'}))
  return {'KERAS_HOME': str(folder), 'KERAS_BACKEND': 'jax'}


def test_trains_without_a_word_on_stderr_whatever_keras_the_user_has(
  data_dir, tmp_path, foreign_keras
):
  done = trainer(
    f'--data={data_dir}',
    '--model=cnn:filters=4,conv_layers=1,dense_units=8',
    '--strategy=mirrored',
    '--virtual_devices=2',
    '--precision=mixed_float16',
    '--epochs=2',
    '--batch_size=8',
    cwd=tmp_path,
    **foreign_keras,
  )
  assert (done.returncode, done.stderr) == (0, '')
  assert (tmp_path / 'runs' / 'tiny-cnn' / 'checkpoints' / 'best.keras').is_file()
  assert (tmp_path / 'runs' / 'tiny-cnn' / 'report.json').is_file()
  lines = done.stdout.splitlines()
  assert 'devices  CPU:0, CPU:1, batches of 8, 4 examples on each, mixed_float16' in lines
  assert sum(line.startswith('epoch ') for line in lines) == 2
  assert lines[-1] == 'curves   python -m tensorboard.main --logdir=runs/tiny-cnn/logs'

  # Prediction and evaluation, in one process: the numbers of this one, whose Keras is as it ships.
  run_dir = str(tmp_path / 'runs' / 'tiny-cnn')
  asked = [f'--run_dir={run_dir}', f'--data={data_dir}']
  code = (
    f'from trainer import evaluate, predict; predict.main({asked} + ["--format=jsonl"]); '
    f'evaluate.main({asked})'
  )
  again = python('-c', code, cwd=tmp_path, **foreign_keras)
  assert (again.returncode, again.stderr) == (0, '')
  found = [json.loads(line) for line in again.stdout.splitlines() if line.startswith('{')]
  run = saved_run.load(run_dir)
  wanted = prediction.predict_records(
    run,
    answering.load(run, 'best'),
    run.manifest,
    data_dir=data_dir,
    splits=run.manifest.split_names(),
  )
  for line, one in zip(found, wanted, strict=True):
    said = {said['label']: said['probability'] for said in line['predictions']}
    here = dict(zip(run.manifest.labels, one.probabilities, strict=True))
    assert said == pytest.approx(here, abs=1e-6)


@pytest.mark.parametrize('debug', [False, True])
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, debug):
  done = trainer(*(['--debug'] if debug else []), cwd=tmp_path)
  assert done.returncode == 2
  assert not done.stdout
  *rest, last = done.stderr.splitlines()
  assert last.startswith("error: There is no demo data set in 'demo/data' yet. Make it with")
  assert ('Traceback (most recent call last):' in rest) == debug
  assert debug or not rest
  assert not os.listdir(tmp_path)
