"""What a step does in its image, without kfp and without a cluster."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import types

import pytest

from pipelines import cluster_steps, kubeflow
from schemas import command, errors
from tests.helpers import datasets

ROOT = pathlib.Path(__file__).parent.parent.parent


def artifact(path):
  """Returns what kfp gives a step for an artifact."""
  found = types.SimpleNamespace(path=str(path), metadata={})
  found.log_metric = lambda name, value: found.metadata.update({name: value})
  found.log_confusion_matrix = lambda labels, matrix: found.metadata.update(
    labels=labels, matrix=matrix
  )
  return found


@pytest.fixture
def instead(monkeypatch):
  """Returns a function that lets another take the place of the programs; it gives their calls."""

  def put(program):
    called = []

    def run_program(module, own, flags=''):
      called.append((module, flags))
      program(own)

    monkeypatch.setattr(cluster_steps, 'run_program', run_program)
    return called

  return put


def test_a_program_that_fails_is_told_with_its_last_sentence(capfd):
  with pytest.raises(errors.ConfigError) as told:
    cluster_steps.run_program('tfrecords.verify', {}, "'--no such flag'")
  assert str(told.value).startswith(
    'python -m tfrecords.verify ended with exit code 2: There is no'
  )
  said = capfd.readouterr()
  assert said.out == "python -m tfrecords.verify '--no such flag'\n"
  assert said.err.startswith('error: There is no flag --no such flag.')


def test_what_is_empty_is_left_to_the_program(capfd):
  cluster_steps.run_program('tfrecords.verify', {'source': '', 'epochs': 0}, '--help')
  assert capfd.readouterr().out.startswith('python -m tfrecords.verify --help\n')


@pytest.mark.parametrize(
  ('flags', 'told'),
  [
    ('--epochs=3 --run_dir=x', '--run_dir is what this step sets itself'),
    ('-run_dir=x', '--run_dir is what this step sets itself'),
    ('epochs 3', "'epochs' is no flag"),
    ('; rm -rf x', "';' is no flag"),
    ("--name='x", 'a quote stays open'),
  ],
)
def test_further_flags_that_are_none_or_the_steps_own_are_refused(flags, told):
  with pytest.raises(errors.ConfigError, match=told):
    cluster_steps.run_program('no.such.program', {'run_dir': 'y'}, flags)


SLOW = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code!r}))
print('ready', flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
  ('code', 'told'),
  [
    ('interrupted: saved', 'python -m slow ended with exit code 1: saved'),
    # As a training does that has saved its state: it is not done.
    (0, 'python -m slow was ended by SIGTERM'),
  ],
)
def test_the_end_of_a_step_is_passed_on_to_its_program(tmp_path, code, told):
  (tmp_path / 'slow.py').write_text(SLOW.format(code=code))
  step = "from pipelines import cluster_steps; cluster_steps.run_program('slow', {})"
  with subprocess.Popen(
    [sys.executable, '-c', step],
    cwd=tmp_path,
    env={**os.environ, 'PYTHONPATH': str(ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  ) as process:
    while process.stdout.readline() not in ('ready\n', ''):
      pass
    process.terminate()
    said = process.stderr.read()
  assert process.returncode == 1
  assert told in said


def test_an_end_that_comes_before_the_program_is_known_reaches_it_all_the_same(
  tmp_path, monkeypatch
):
  (tmp_path / 'slow.py').write_text(SLOW.format(code='interrupted: saved'))
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))
  popen, started = subprocess.Popen, []

  def interrupted(*arguments, **settings):
    process = popen(*arguments, stdout=subprocess.PIPE, **settings)
    started.append(process)
    assert process.stdout.readline() == 'ready\n'
    os.kill(os.getpid(), signal.SIGTERM)  # Popen has not come back.
    return process

  monkeypatch.setattr(subprocess, 'Popen', interrupted)
  before = signal.getsignal(signal.SIGTERM)
  with pytest.raises(errors.ConfigError, match='python -m slow ended with exit code 1: saved'):
    cluster_steps.run_program('slow', {})
  assert signal.getsignal(signal.SIGTERM) == before
  assert started[0].returncode == 1


def test_a_step_ends_with_the_sentence_and_not_with_a_traceback(capsys, tmp_path):
  ours = {name: artifact(tmp_path / name) for name in ('base', 'data', 'run', 'comparison')}
  with pytest.raises(SystemExit) as ended:
    cluster_steps.transfer(**ours, metrics=artifact(''), keep='scratch', flags='')
  assert ended.value.code == 2
  assert capsys.readouterr().err == "error: keep: expected head or fine-tuned, got 'scratch'.\n"


def test_a_data_set_in_a_folder_of_its_own_is_found_by_the_next_step(instead, tmp_path):
  folder, data, metrics = str(tmp_path / 'bucket'), artifact(tmp_path / 'data'), artifact('')
  called = instead(lambda own: datasets.write_dataset(own['output']))
  cluster_steps.featurize(data=data, metrics=metrics, flags='--plan', folder=folder, source='x')
  assert called == [('beam_jobs.featurize', '--plan')]
  assert cluster_steps.folder_of(data) == folder and os.listdir(data.path) == [
    cluster_steps.ELSEWHERE
  ]
  assert metrics.metadata == {
    'train_clips': 24, 'validation_clips': 6, 'test_clips': 12, 'labels': 3, 'hours': 0.0047,
  }  # fmt: skip
  assert data.metadata['folder'] == folder and data.metadata['features'] == 'log_mel'


def test_a_data_set_in_its_artifact_needs_no_pointer(instead, tmp_path):
  data = artifact(tmp_path / 'data')
  instead(lambda own: datasets.write_dataset(own['output']))
  cluster_steps.featurize(data=data, metrics=artifact(''), flags='', folder='')
  assert cluster_steps.folder_of(data) == data.path


def report(num_labels):
  """Returns what evaluation writes, as far as a step reads it."""
  labels = [f'label{i}' for i in range(num_labels)]
  return {
    'accuracy': 0.5,
    'accuracy_interval_95': None,
    'averages': {'macro': {'f1': 0.25}},
    'confusion': {'matrix': [[1] * num_labels] * num_labels},
    'labels': [{'label': label} for label in labels],
    'loss': 1.5,
    'majority_baseline': {'accuracy': 0.25},
    'num_examples': 12,
    'num_speakers': 2,
    'roc_auc': None,
  }


@pytest.mark.parametrize(('num_labels', 'is_drawn'), [(2, True), (101, False)])
def test_a_run_is_judged_beside_it(instead, tmp_path, num_labels, is_drawn):
  run = tmp_path / 'run'
  (run / 'judged' / 'validation').mkdir(parents=True)
  for name in ('config.json', 'report.json', 'report.html', 'judged/validation/report.json'):
    (run / name).write_text('old')
  before = sorted(run.rglob('*'))

  def program(own):
    judged = pathlib.Path(own['run_dir'])
    assert [path.name for path in judged.iterdir()] == ['config.json']
    # Not of the test split, or other data than that of the training.
    (judged / 'judged' / 'train').mkdir(parents=True)
    (judged / 'judged' / 'train' / 'report.json').write_text(json.dumps(report(num_labels)))
    (judged / 'judged' / 'train' / 'report.html').write_text('new')

  instead(program)
  page, metrics, confusion = artifact(tmp_path / 'page'), artifact(''), artifact('')
  cluster_steps.evaluate(
    run=artifact(run),
    data=artifact(tmp_path / 'data'),
    report=page,
    metrics=metrics,
    confusion=confusion,
    split='train',
    flags='',
  )
  assert (tmp_path / 'page').read_text() == 'new'
  assert metrics.metadata == {
    'accuracy': 0.5,
    'loss': 1.5,
    'macro_f1': 0.25,
    'majority_accuracy': 0.25,
    'clips': 12,
    'speakers': 2,
  }
  assert bool(confusion.metadata) == is_drawn
  assert sorted(run.rglob('*')) == before and (run / 'report.json').read_text() == 'old'


@pytest.mark.parametrize(
  ('flag', 'told'),
  [
    ('--image=two words', "--image: expected such as registry.example/voxshard-python:1, got 'two"),
    ('--image=', "--image: expected such as registry.example/voxshard-python:1, got ''"),
    ('--memory=much', "--memory: expected such as 16G, got 'much'"),
    ('--gpus=-1', '--gpus must be in'),
    ('--output=gs://bucket/x', 'written to a folder of this machine'),
  ],
)
def test_what_no_cluster_can_read_is_refused(flag, told, capsys):
  assert command.run(kubeflow.main, [flag]) == 2
  assert told in capsys.readouterr().err


def test_without_kfp_it_says_where_to_get_it(monkeypatch, capsys, tmp_path):
  monkeypatch.setattr(kubeflow.importlib.util, 'find_spec', lambda name: None)
  assert command.run(kubeflow.main, [f'--output={tmp_path / "x"}']) == 2
  assert capsys.readouterr().err.startswith('error: kfp is not installed here. `make kubeflow`')
  assert not (tmp_path / 'x').exists()
