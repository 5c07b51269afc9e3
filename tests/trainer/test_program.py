"""The program as a user meets it: another process, its exit code and what it prints."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent


def trainer(*arguments, cwd):
  return subprocess.run(
    [sys.executable, '-m', 'trainer', *arguments],
    cwd=cwd,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
    timeout=300,
  )


def test_trains_without_a_word_on_stderr(data_dir, tmp_path):
  done = trainer(
    f'--data={data_dir}',
    '--model=cnn:filters=4,conv_layers=1,dense_units=8',
    '--strategy=mirrored',
    '--virtual_devices=2',
    '--precision=mixed_float16',
    '--epochs=2',
    '--batch_size=8',
    cwd=tmp_path,
  )
  assert (done.returncode, done.stderr) == (0, '')
  assert (tmp_path / 'runs' / 'tiny-cnn' / 'checkpoints' / 'best.keras').is_file()
  assert (tmp_path / 'runs' / 'tiny-cnn' / 'report.json').is_file()
  lines = done.stdout.splitlines()
  assert 'devices  CPU:0, CPU:1, batches of 8, 4 examples on each, mixed_float16' in lines
  assert sum(line.startswith('epoch ') for line in lines) == 2
  assert lines[-1] == f'curves   tensorboard --logdir {pathlib.Path("runs/tiny-cnn/logs")}'


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
