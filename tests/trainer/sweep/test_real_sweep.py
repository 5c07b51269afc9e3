"""A sweep whose trials are runs of the trainer itself."""

import contextlib
import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from trainer import __main__ as trainer_main
from trainer import sweep
from trainer.child_processes import child

ROOT = pathlib.Path(__file__).parent.parent.parent.parent


def hyperparameters(logdir):
  """What TensorBoard's table says of a folder: the flags and the measures of each run."""
  runs = plugin_event_multiplexer.EventMultiplexer()
  runs.AddRunsFromDirectory(logdir)
  runs.Reload()
  provider = data_provider.MultiplexerDataProvider(runs, logdir)
  backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
  request = api_pb2.ListSessionGroupsRequest(slice_size=9, allowed_statuses=[0, 1, 2, 3])
  name = request.col_params.add().metric
  name.group, name.tag = 'validation', 'accuracy'
  found = list_session_groups.Handler(context.RequestContext(), backend, '', request).run()
  for group in found.session_groups:
    values = {(one.name.group, one.name.tag): one.value for one in group.metric_values}
    yield {name: value for name, value in group.hparams.items()}, values


class Inside:
  """Takes the place of a process, which would import TensorFlow once more."""

  pid = os.getpid()

  def __init__(self, arguments, *, log, environment=None):
    assert not environment
    assert arguments[:2] == ['-m', 'trainer']
    with open(log, 'a', encoding='utf-8') as stream, contextlib.redirect_stdout(stream):
      trainer_main.main(arguments[2:])

  def exit_code(self):
    return 0

  def end(self):
    pass


FLAGS = ('--search=random', '--over=learning_rate=log:1e-3..1e-2')
PASSED = ('--', '--model=linear', '--batch_size=16')


def test_a_trial_is_a_run_as_any_other(data_dir, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(child, 'Child', Inside)
  out = tmp_path / 'out'
  sweep.main([f'--output={out}', f'--data={data_dir}', '--trials=1', *FLAGS, *PASSED, '--epochs=1'])
  (row,) = csv.DictReader((out / 'sweep.csv').open())
  log = (out / 'processes' / 'trial-0000.txt').read_text()
  assert 'the test split was not looked at' in log
  report = json.loads((out / 'trial-0000' / 'report.json').read_text())
  assert float(row['test_accuracy']) == report['accuracy'] and report['split'] == 'test'
  history = json.loads((out / 'trial-0000' / 'history.json').read_text())
  assert float(row['accuracy']) == history[0]['validation']['accuracy']
  config = json.loads((out / 'trial-0000' / 'config.json').read_text())
  assert config['flags']['learning_rate'] == float(row['learning_rate'])
  assert 'trial-0000' in capsys.readouterr().out

  ((flags, measures),) = hyperparameters(str(out))
  assert flags['learning_rate'].number_value == float(row['learning_rate'])
  assert measures['validation', 'accuracy'] == pytest.approx(float(row['accuracy']))
  assert measures['test', 'accuracy'] == pytest.approx(report['accuracy'])


@pytest.mark.faults
def test_a_sweep_that_is_killed_goes_on_with_the_runs_it_began(data_dir, tmp_path):
  flags = ['--trials=1', '--judge=none', *FLAGS, *PASSED, '--epochs=60', '--patience=0']

  def program(out):
    command = [sys.executable, '-m', 'trainer.sweep', f'--output={out}', f'--data={data_dir}']
    return subprocess.Popen([*command, *flags], cwd=ROOT, stdout=subprocess.DEVNULL)

  history = tmp_path / 'out' / 'trial-0000' / 'history.json'
  killed = program(tmp_path / 'out')
  while not history.exists():
    assert killed.poll() is None
    time.sleep(0.05)
  killed.send_signal(signal.SIGKILL)
  assert killed.wait() == -signal.SIGKILL
  assert program(tmp_path / 'out').wait() == 0
  log = (tmp_path / 'out' / 'processes' / 'trial-0000.txt').read_text()
  assert log.count('$ ') >= 2 and 'resumed  behind step' in log
  assert program(tmp_path / 'whole').wait() == 0
  tables = [list(csv.DictReader((tmp_path / x / 'sweep.csv').open())) for x in ('out', 'whole')]
  kept = ('trial', 'state', 'accuracy', 'epoch', 'learning_rate')
  shown = [[{name: row[name] for name in kept} for row in rows] for rows in tables]
  assert shown[0] == shown[1]
