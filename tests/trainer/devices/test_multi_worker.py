"""Several workers: processes of their own that find one another by TF_CONFIG, on loopback."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

from schemas import errors
from tests.trainer.callbacks import test_callbacks
from tests.trainer.devices import addresses
from tests.trainer.runs import test_resume
from trainer import config, run
from trainer.devices import workers
from trainer.devices.strategies import multi_worker
from trainer.runs import run_folder

ROOT = pathlib.Path(__file__).parents[3]
SETTINGS = {
  'model': 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0',
  'epochs': 4,
  'patience': 0,
  'batch_size': 7,  # Divides by neither 2 nor 3.
  'learning_rate': 0.001,
  'clip_norm': 1.0,
  'ema': 0.9,
  'steps_per_execution': 1,
  'checkpoint_steps': 2,
}


# The trainer, killed as soon as so many of its steps are done. TensorFlow is imported when and how
# the program does it: workers connect as the first thing.
LOST = """
import sys
from trainer import __main__
first = __main__.quiet.import_tensorflow
def then_lost(**settings):
  first(**settings)
  from tests.trainer.runs import killed_runs
  killed_runs.kill_at(int(sys.argv[1]))
__main__.quiet.import_tensorflow = then_lost
sys.exit(__main__.command.run(__main__.main, sys.argv[2:]))
"""


def start(run_dir, data_dir, *, count=2, settings=None, of_others=(), others_lost_at=0):
  """Starts the workers and returns their processes, the chief first."""
  lost = ('-c', LOST, str(others_lost_at))
  cluster = {'worker': addresses.free(count)}
  flags = {**SETTINGS, 'strategy': 'multi_worker', 'data': data_dir, **(settings or {})}
  # Only the chief is told where the run is written: others have nothing to do with it.
  return [
    subprocess.Popen(
      [
        sys.executable,
        *(lost if index and others_lost_at else ('-m', 'trainer')),
        *(f'--{name}={value}' for name, value in flags.items()),
        f'--run_dir={run_dir if not index else "nowhere"}',
        *(of_others if index else ()),
      ],
      cwd=ROOT,
      env={
        **os.environ,
        'TF_CONFIG': json.dumps({'cluster': cluster, 'task': {'type': 'worker', 'index': index}}),
      },
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for index in range(count)
  ]


def ended(processes, *, seconds=900):
  """Exit codes, and what was said on stdout and stderr."""
  try:
    said = [process.communicate(timeout=seconds) for process in processes]
  finally:
    for process in processes:
      process.kill()
  return [process.returncode for process in processes], said


def step_losses(run_dir):
  found, _ = test_callbacks.logged(os.path.join(run_dir, 'logs'), 'train')
  return dict(found['step_loss'])


@pytest.fixture(scope='module')
def calm(untested_dir, tmp_path_factory):
  """The folder of a run of two workers that nobody disturbed."""
  run_dir = tmp_path_factory.mktemp('calm') / 'run'
  codes, said = ended(start(run_dir, untested_dir, settings={'epochs': 4}))
  assert codes == [0, 0], said
  assert said[1][0] == 'worker 1 of 2: worker 0 says how it goes.\n'
  # TensorFlow 2.17, of requirements/tfio.txt, says that it has connected, whatever its log level.
  native = ('WARNING: All log messages before absl', 'I0000')
  assert not [line for line in said[1][1].splitlines() if not line.startswith(native)]
  assert 'devices  2 workers with 1 each, batches of 7, 3-4 examples on each' in said[0][0]
  assert not (ROOT / 'nowhere').exists()
  return run_dir


# With the faults: the calm run of two processes, which takes long, is made for them anyway.
@pytest.mark.faults
def test_workers_and_devices_come_to_the_same_losses_step_by_step(calm, untested_dir, tmp_path):
  found = step_losses(calm)
  assert len(found) == 24  # Of 44 clips in batches of 7, over the ends of passes.
  for name, devices in (('none', 0), ('mirrored', 3)):
    folder = run.train(
      config.TrainConfig(
        **SETTINGS,
        data=untested_dir,
        run_dir=str(tmp_path / f'{name}{devices}'),
        strategy=name,
        virtual_devices=devices,
      )
    )
    expected = step_losses(folder.path)
    assert sorted(expected) == sorted(found)
    np.testing.assert_allclose(
      [found[step] for step in sorted(found)], [expected[step] for step in sorted(found)], atol=1e-5
    )
    pairs = zip(test_resume.history_of(calm), test_resume.history_of(folder.path), strict=True)
    for ours, theirs in pairs:
      assert ours['validation'] == pytest.approx(theirs['validation'], abs=1e-5)
      assert ours['validation']['num_examples'] == 11
    for ours, theirs in zip(
      test_resume.weights_of(calm, 'last'), test_resume.weights_of(folder.path, 'last'), strict=True
    ):
      np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_worker_that_refuses_ends_the_other_before_tensorflow_starts(untested_dir, tmp_path):
  codes, said = ended(start(tmp_path / 'run', untested_dir, of_others=['--sede=3']), seconds=900)
  assert codes == [2, 2], said
  assert said[0][1].startswith('error: Worker 1 refuses, so none trains. It says: There is no flag')
  assert not (tmp_path / 'run').exists()


@pytest.mark.faults
def test_a_lost_worker_ends_the_other_and_the_same_commands_go_on(calm, untested_dir, tmp_path):
  # In the second of four epochs.
  codes, said = ended(start(tmp_path / 'run', untested_dir, others_lost_at=9))
  assert codes == [2, -signal.SIGKILL], said
  assert said[0][1].splitlines()[-1].startswith('error: Another one of the 2 workers is gone')
  folder = run_folder.RunFolder(str(tmp_path / 'run'))
  assert folder.state_files()
  assert not os.path.exists(folder.outcome_file)
  codes, said = ended(start(tmp_path / 'run', untested_dir))
  assert codes == [0, 0], said
  assert 'resumed  behind step' in said[0][0]
  test_resume.assert_same_run(calm, tmp_path / 'run')


WORKERS = {'worker': ['a:1', 'b:2']}


@pytest.mark.parametrize(
  ('cluster', 'task', 'index'),
  [
    (WORKERS, {'type': 'worker', 'index': 1}, 1),
    ({'chief': ['c:0'], **WORKERS}, {'type': 'worker', 'index': 1}, 2),
    ({'chief': ['c:0'], **WORKERS}, {'type': 'chief', 'index': 0}, 0),
  ],
)
def test_the_task_of_a_worker(cluster, task, index):
  environment = {'TF_CONFIG': json.dumps({'cluster': cluster, 'task': task})}
  assert multi_worker.task(environment).index == index


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    ('', r'needs TF_CONFIG in the environment of each worker, such as TF_CONFIG='),
    ('{', r'TF_CONFIG is not as wanted \(JSONDecodeError'),
    ('[]', r'TF_CONFIG is not as wanted'),
    ('{"cluster": {"worker": ["a:1"]}}', r"not as wanted \(KeyError: 'task'"),
    (
      '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
      r'addresses are host:port',
    ),
    (
      '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
      r"index below 1, got type 'worker', index 1",
    ),
    (
      '{"cluster": {"worker": ["a:port"]}, "task": {"type": "worker", "index": 0}}',
      r'addresses are host:port',
    ),
    (
      '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "ps", "index": 0}}',
      r'a chief and workers, not ps',
    ),
  ],
)
def test_a_wrong_tf_config(text, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    multi_worker.task({'TF_CONFIG': text} if text else {})


def test_a_process_by_itself_agrees_with_itself():
  import tensorflow as tf

  alone = workers.Workers(tf.distribute.get_strategy())
  assert alone.is_chief
  assert alone.total([1.5, True]) == [1.5, True]
  assert alone.from_chief(b'x') == b'x'
  rows = np.array([[1, 2]], np.uint32)
  assert alone.gather(rows) is rows
  assert alone.mine(rows).tolist() == [[1, 2]]
