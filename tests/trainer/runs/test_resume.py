"""Runs that are killed and go on: the same weights, bit for bit, as if nothing had happened."""

import functools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas import errors
from tests.helpers import datasets as data_sets
from trainer import config, resume
from trainer.data import datasets
from trainer.devices import workers
from trainer.learning import position, signals
from trainer.measures import scores
from trainer.runs import checkpointer, library_versions, run_folder, training_state

ROOT = pathlib.Path(__file__).parents[3]
STEPS = 4 * 6  # 44 clips in batches of 8, four epochs.
SETTINGS = {
  'model': 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0.5',
  'epochs': 4,
  'patience': 0,
  'batch_size': 8,
  'learning_rate': 0.01,
  'steps_per_execution': 3,
  'checkpoint_steps': 5,
}
CASES = {
  'none': {
    'optimizer': 'sgd:momentum=0.9',
    'schedule': 'step:every_epochs=1,factor=0.5',
    'batch_size': 4,
    'accumulate': 2,
    'balance_batches': True,
  },
  'mirrored': {
    'strategy': 'mirrored',
    'virtual_devices': 2,
    'precision': 'mixed_float16',
    'optimizer': 'adamw',
    'schedule': 'cosine:warmup_epochs=1',
    'ema': 0.9,
    'clip_norm': 1.0,
  },
}


def run_all(jobs):
  """Exit codes of runs in processes of their own, one after the other."""
  done = subprocess.run(
    [sys.executable, '-m', 'tests.trainer.runs.killed_runs', json.dumps(jobs)],
    cwd=ROOT,
    env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3'},
    capture_output=True,
    text=True,
    check=False,
    timeout=1_200,
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout), done.stderr


def weights_of(run_dir, name):
  path = run_folder.RunFolder(str(run_dir)).checkpoint_file(name)
  return keras.saving.load_model(path, compile=False).get_weights()


def history_of(run_dir):
  with open(run_folder.RunFolder(str(run_dir)).history_file, encoding='utf-8') as stream:
    epochs = json.load(stream)
  times = ('train_s', 'wait_s', 'examples_per_s')
  return [{key: epoch[key] for key in epoch if key not in times} for epoch in epochs]


def assert_same_run(first, second):
  for name in ('best', 'last'):
    for a, b in zip(weights_of(first, name), weights_of(second, name), strict=True):
      np.testing.assert_array_equal(a, b)
  assert history_of(first) == history_of(second)


def check_rough_and_calm(case, endings, data_dir, folder):
  """A run that ends in these ways, one after the other, and at last goes on to its end."""

  def job(name, **ending):
    settings = {**SETTINGS, **CASES[case], 'data': data_dir, 'run_dir': str(folder / name)}
    return {'config': settings, **ending}

  expected = [0 if 'terminate_at' in ending else -signal.SIGKILL for ending in endings]
  codes, said = run_all(
    [job('calm'), *(job('rough', **ending) for ending in endings), job('rough')]
  )
  assert codes == [0, *expected, 0], said
  assert_same_run(folder / 'calm', folder / 'rough')
  assert len(history_of(folder / 'rough')) == 4
  assert ('goes on from there' in said) == (0 in expected)
  states = run_folder.RunFolder(str(folder / 'rough')).state_files()
  assert [os.path.basename(path) for path in states] == [
    f'state-{STEPS:012d}.npz', f'state-{20:012d}.npz'
  ]  # fmt: skip


@pytest.mark.faults
@pytest.mark.parametrize('case', CASES)
def test_killed_again_and_again_is_as_if_never(case, untested_dir, tmp_path):
  draws = random.Random(case)
  endings = [
    {'kill_at': draws.randint(1, 6)},
    {'kill_in_write': 2},
    {'terminate_at': draws.randint(2, 6)},
  ]
  check_rough_and_calm(case, endings, untested_dir, tmp_path)


def result(epoch, *, loss=0.1 + 0.2):
  found = scores.Scores(loss=loss, accuracy=0.5, num_examples=10, macro_f1=1 / 3)
  return scores.EpochResult(
    epoch=epoch, step=6 * epoch, learning_rate=0.1, train=found, validation=found, train_s=1.5
  )


def test_a_position_is_read_as_it_was_written():
  at = position.Position(step=9, results=[result(1)], loss_sum=1 / 7, num_examples=24, train_s=0.3)
  again = position.Position.from_json(json.loads(json.dumps(at.to_json())))
  assert again == at
  assert again.epoch == 2


class FakeSteps:
  """One weight on one device."""

  def __init__(self, value=0.0, shape=(2,)):
    self.weight = tf.Variable(np.full(shape, value, np.float32))
    self.variables = {'model/0000/kernel': self.weight}


ALONE = workers.Workers(tf.distribute.get_strategy())


@pytest.fixture
def folder(tmp_path):
  made = run_folder.RunFolder(str(tmp_path / 'run'))
  made.create(overwrite=False)
  return made


def saved(folder, *steps_done, every_steps=0, keep=2, run=''):
  kept = FakeSteps()
  keeping = checkpointer.Keeper(
    kept.variables, ALONE, folder, every_steps=every_steps, every_minutes=0, keep=keep, run=run
  )
  for step in steps_done:
    kept.weight.assign(np.full(2, step))
    keeping.save(position.Position(step=step).to_json())
  kept.weight.assign([0, 0])  # What is written later was copied before.
  keeping.close()


def test_the_last_states_stay_and_the_latest_is_taken(folder):
  saved(folder, 3, 6, 9, 12, keep=3)
  assert sorted(os.listdir(folder.checkpoints_dir)) == [
    f'state-{step:012d}.npz' for step in (6, 9, 12)
  ]
  fresh = FakeSteps()
  assert checkpointer.load(folder, fresh.variables, ALONE)['step'] == 12
  assert fresh.weight.numpy().tolist() == [12, 12]


@pytest.mark.parametrize('damage', ['cut', 'changed', 'emptied'])
def test_of_a_damaged_state_the_one_before_is_taken(folder, capsys, damage):
  saved(folder, 3, 6)
  latest = folder.state_files()[0]
  with open(latest, 'r+b') as stream:
    content = stream.read()
    stream.seek(0)
    if damage == 'changed':
      at = content.index(np.full(2, 6, np.float32).tobytes())
      stream.write(content[:at] + b'\1' + content[at + 1 :])
    else:
      stream.truncate(len(content) // 2 if damage == 'cut' else 0)
  fresh = FakeSteps()
  assert checkpointer.load(folder, fresh.variables, ALONE)['step'] == 3
  assert fresh.weight.numpy().tolist() == [3, 3]
  assert f'note: {latest} is damaged' in capsys.readouterr().out


def test_no_state_that_can_be_read(folder):
  saved(folder, 3)
  with open(folder.state_files()[0], 'w', encoding='utf-8') as stream:
    stream.write('nothing')
  with pytest.raises(errors.ConfigError, match='None of the checkpoints.*--overwrite'):
    checkpointer.load(folder, FakeSteps().variables, ALONE)


def test_a_state_of_another_model_is_refused(folder):
  saved(folder, 3)
  with pytest.raises(errors.ConfigError, match=r'kernel is \(3,\) here and \(2,\) there'):
    checkpointer.load(folder, FakeSteps(shape=(3,)).variables, ALONE)


def test_a_state_of_another_run_or_step_is_refused(folder):
  saved(folder, 3, 6, run='mine')
  load = functools.partial(checkpointer.load, folder, FakeSteps().variables, ALONE)
  assert load(run='mine') == position.Position(step=6).to_json()
  with pytest.raises(errors.ConfigError, match=r'state-0+6.npz. is of another run.*Put back'):
    load(run='another')
  shutil.copy(folder.state_file(3), folder.state_file(6))
  with pytest.raises(errors.ConfigError, match=r'state-0+6.npz. is .* of another step'):
    load(run='mine')
  os.remove(folder.state_file(6))
  assert load(run='mine')['step'] == 3
  os.remove(folder.state_file(3))
  saved(folder, 3)  # As an older version did.
  load(run='mine')


def test_a_run_is_known_by_what_decides_its_weights():
  flags = {**config.TrainConfig(data='x').to_json(), 'epochs': 2}
  said = {'flags': flags, 'manifest_sha256': 'a', 'model': 'cnn'}
  mine = resume.identity(said)
  same = ({'epochs': 9}, {'patience': 1}, {'run_dir': 'y'}, {'strategy': 'mirrored'})
  for change in same:
    assert resume.identity({**said, 'flags': {**flags, **change}}) == mine
  older = {name: value for name, value in flags.items() if name != 'ema'}
  assert resume.identity({**said, 'flags': older}) == mine
  for change in ({'seed': 1}, {'learning_rate': 0.1}, {'augment': ['gain']}):
    assert resume.identity({**said, 'flags': {**flags, **change}}) != mine
  assert resume.identity({**said, 'manifest_sha256': 'b'}) != mine


def test_a_full_disk_is_said_and_leaves_no_half_file(folder, monkeypatch):
  def full(stream, **arrays):
    stream.write(b'half')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(training_state.np, 'savez', full)
  with pytest.raises(errors.ConfigError, match=r'state-.*No space left on device'):
    saved(folder, 3)
  assert os.listdir(folder.checkpoints_dir) == []


def test_when_a_state_is_due():
  keeping = checkpointer.Keeper({}, ALONE, None, every_steps=5, every_minutes=0, keep=1)
  assert [keeping.steps_until_due(step) for step in (0, 4, 5, 7)] == [5, 1, 5, 3]
  assert [keeping.is_due(step) for step in (4, 5, 6, 10)] == [False, True, False, True]
  never = checkpointer.Keeper({}, ALONE, None, every_steps=0, every_minutes=0, keep=1)
  assert never.steps_until_due(3) is None
  assert not never.is_due(3)
  often = checkpointer.Keeper({}, ALONE, None, every_steps=0, every_minutes=1e-9, keep=1)
  assert often.is_due(3)
  for made in (keeping, never, often):
    made.close()


def test_other_replicas_draw_other_numbers():
  variable = tf.Variable([0, 0], dtype=tf.int32)
  arrays = {'model/0/seed_generator_state': np.array([[4, 1], [5, 1]], np.int32)}
  same = training_state.restore({'model/0/seed_generator_state': variable}, arrays, ALONE)
  assert variable.numpy().tolist() == [4, 1]
  assert not same


def test_signals_are_noted_and_a_second_ctrl_c_is_obeyed():
  before = signal.getsignal(signal.SIGTERM)
  requests = signals.Requests()
  with requests.heard():
    assert requests.signal_name == ''
    os.kill(os.getpid(), signal.SIGTERM)
    assert requests.signal_name == 'SIGTERM'
  requests = signals.Requests()
  with requests.heard():
    os.kill(os.getpid(), signal.SIGINT)
    assert requests.signal_name == 'SIGINT'
    with pytest.raises(KeyboardInterrupt):
      os.kill(os.getpid(), signal.SIGINT)
  assert signal.getsignal(signal.SIGTERM) == before


def asked(data_dir, run_dir, **settings):
  found = config.TrainConfig(data=str(data_dir), run_dir=str(run_dir), **settings)
  return found, datasets.load(found.data)


def begun(data_dir, run_dir, *, states=True, finished=None, **settings):
  """A run folder as `run.train` would have left it."""
  wanted, data = asked(data_dir, run_dir, **settings)
  folder = run_folder.RunFolder(wanted.run_dir)
  folder.create(overwrite=False)
  folder.write_json(folder.config_file, {'flags': wanted.to_json(), 'manifest_sha256': data.digest})
  if states:
    saved(folder, 3)
  if finished is not None:
    outcome = {'epochs': wanted.epochs, 'steps': 9, 'stopped': '', **finished}
    folder.write_json(folder.outcome_file, outcome)
  return folder


def test_how_a_run_begins(untested_dir, tmp_path):
  decide = lambda name, **settings: resume.decide(*asked(untested_dir, tmp_path / name, **settings))  # noqa: E731
  assert decide('new') == resume.Start.NEW
  begun(untested_dir, tmp_path / 'stopped')
  assert decide('stopped') == resume.Start.CONTINUED
  assert decide('stopped', resume='must') == resume.Start.CONTINUED
  assert decide('stopped', overwrite=True) == resume.Start.NEW
  assert decide('stopped', strategy='mirrored', checkpoint_steps=9) == resume.Start.CONTINUED
  begun(untested_dir, tmp_path / 'killed_early', states=False)
  assert decide('killed_early') == resume.Start.ANEW


@pytest.mark.parametrize('name', ['state-000000000003.npz.tmp-0a', 'best.tmp-0a.keras'])
def test_a_run_that_was_killed_in_its_first_checkpoint_begins_anew(untested_dir, tmp_path, name):
  folder = begun(untested_dir, tmp_path / 'run', states=False)
  pathlib.Path(folder.checkpoints_dir, name).write_bytes(b'half')
  assert resume.decide(*asked(untested_dir, tmp_path / 'run')) == resume.Start.ANEW


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'resume': 'never'}, r'already holds a run\. Replace it with --overwrite'),
    (
      {'batch_size': 7, 'seed': 5},
      r'not finished, with --batch_size=64 \(here 7\), --seed=0 \(here 5\)\. Go on with it by',
    ),
    ({'epochs': 29}, r'with --epochs=30 \(here 29\) \(epochs may be added, not taken away\)'),
    ({'epochs': 40, 'optimizer': 'sgd'}, r'not finished, with --optimizer=adam \(here sgd\)\. Go'),
  ],
)
def test_a_run_that_cannot_be_gone_on_with(untested_dir, tmp_path, settings, sentence):
  begun(untested_dir, tmp_path / 'run')
  with pytest.raises(errors.ConfigError, match=sentence):
    resume.decide(*asked(untested_dir, tmp_path / 'run', **settings))


def test_a_finished_run_is_kept_and_may_be_given_more_epochs(untested_dir, tmp_path):
  folder = begun(untested_dir, tmp_path / 'run', finished={})
  decide = lambda **settings: resume.decide(*asked(untested_dir, folder.path, **settings))  # noqa: E731
  for settings in ({}, {'resume': 'must'}, {'patience': 50}, {'strategy': 'mirrored'}):
    assert decide(**settings) == resume.Start.FINISHED
  assert decide(epochs=31) == resume.Start.EXTENDED
  said = resume.finished_sentence(folder.path)
  assert 'came to its end after 30 epochs; nothing was done. Raise --epochs for' in said
  with pytest.raises(
    errors.ConfigError, match=r'run that is finished, with --seed=0 \(here 5\)\. Go'
  ):
    decide(seed=5)
  with pytest.raises(
    errors.ConfigError, match=r'already holds a run\. Replace it with --overwrite'
  ):
    decide(resume='never')
  for state in folder.state_files():
    os.remove(state)
  assert decide() == resume.Start.ANEW  # Nothing of it is left.
  pathlib.Path(folder.checkpoint_file('best')).write_bytes(b'a model')
  assert decide() == resume.Start.FINISHED
  with pytest.raises(errors.ConfigError, match=r'whose states .* are not there any more'):
    decide(epochs=31)


def test_a_run_that_stopped_early_wants_more_patience(untested_dir, tmp_path):
  finished = {'epochs': 7, 'stopped': 'no epoch was better than epoch 2 (--patience=5)'}
  folder = begun(untested_dir, tmp_path / 'run', finished=finished)
  decide = lambda **settings: resume.decide(*asked(untested_dir, folder.path, **settings))  # noqa: E731
  assert decide() == resume.Start.FINISHED
  assert 'stopped early: no epoch was better' in resume.finished_sentence(folder.path)
  for settings in ({'epochs': 60}, {'patience': 4}):
    with pytest.raises(errors.ConfigError, match=r'stopped early: no epoch .* more --patience too'):
      decide(**settings)
  assert decide(patience=0) == decide(patience=6, epochs=60) == resume.Start.EXTENDED


@pytest.mark.parametrize('left', [(), ('last.keras',), ('best.keras', 'last.keras')])
def test_a_run_that_was_killed_before_its_first_state_begins_anew(untested_dir, tmp_path, left):
  """Models are written before the state, which the next epoch may have overtaken."""
  folder = begun(untested_dir, tmp_path / 'run', states=False)
  for name in (*left, 'last.keras.tmp-0a.keras', 'state-000000000003.npz.tmp-0a'):
    pathlib.Path(folder.checkpoints_dir, name).write_bytes(b'x')
  folder.write_json(folder.history_file, [{}, {}])
  assert resume.decide(*asked(untested_dir, tmp_path / 'run')) == resume.Start.ANEW
  folder.write_json(folder.history_file, [{}, {}, {}])
  if not left:  # And nothing is lost.
    assert resume.decide(*asked(untested_dir, tmp_path / 'run')) == resume.Start.ANEW
    return
  with pytest.raises(errors.ConfigError, match=r'whose states .* are not there any more'):
    resume.decide(*asked(untested_dir, tmp_path / 'run'))


def test_a_run_of_an_earlier_version_is_kept(untested_dir, tmp_path):
  folder = begun(untested_dir, tmp_path / 'run', states=False)
  flags = folder.read_config()
  del flags['flags']['checkpoint_steps']  # It knew no states.
  folder.write_json(folder.config_file, flags)
  (tmp_path / 'run' / 'checkpoints' / 'best.keras').write_text('weeks of work')
  with pytest.raises(errors.ConfigError, match=r'whose states .* are not there any more'):
    resume.decide(*asked(untested_dir, tmp_path / 'run'))


@pytest.mark.parametrize(
  ('name', 'text', 'sentence'),
  [
    ('config', '[]', r"config.json' is damaged: expected an object, got list\. Put back"),
    ('config', '{"flags": 3}', r"config.json' is damaged: its `flags` are not those of a run"),
    ('config', '{}', r"config.json' is damaged: its `flags` are not those of a run"),
    ('config', '{"flags": {"epochs": "x"}}', r"config.json' is damaged: its `flags` are not those"),
    ('config', '{"flags": {"epo', r"config.json' is damaged: .*--overwrite"),
    ('config', '[' * 100_000, r"config.json' is damaged: .*--overwrite"),
    (
      'config',
      '{"flags": {"warp": 9}}',
      r'another version of this program: it has the flag --warp',
    ),
    ('outcome', '[]', r"outcome.json' is damaged: .* expected an object, got list"),
    ('outcome', '{"epochs": 3', r"outcome.json' is damaged"),
    ('history', '{}', r"history.json' is damaged: expected a list, got dict"),
    ('history', '[1,', r"history.json' is damaged"),
  ],
)
def test_a_damaged_file_of_a_run_is_one_sentence(untested_dir, tmp_path, name, text, sentence):
  folder = begun(untested_dir, tmp_path / 'run', states=False)
  pathlib.Path(folder.checkpoint_file('last')).write_bytes(b'a model')
  pathlib.Path(getattr(folder, f'{name}_file')).write_text(text)
  with pytest.raises(errors.ConfigError, match=sentence):
    resume.decide(*asked(untested_dir, tmp_path / 'run'))


@pytest.mark.parametrize('fields', [{}, [], {'results': [{}]}, {'results': [], 'warp': 9}])
def test_a_position_of_another_version_is_refused(fields):
  with pytest.raises(errors.ConfigError, match='not said in its checkpoint as this version writes'):
    position.Position.from_json(fields)


def test_other_versions_of_keras_and_tensorflow_are_said():
  now = library_versions.here()
  assert library_versions.note({'versions': now}) == library_versions.note({}) == ''
  assert library_versions.note({'versions': {**now, 'numpy': '1'}}) == ''
  said = library_versions.note({'versions': {**now, 'keras': '2.0.0'}})
  assert said.startswith(f'note: the run was made with Keras 2.0.0, here is Keras {now["keras"]}: ')
  said = library_versions.note({'versions': {'keras': '2', 'tensorflow': '3'}})
  assert 'made with Keras 2 and TensorFlow 3, here is' in said


def test_other_data_under_the_same_name_is_noticed(untested_dir, tmp_path):
  begun(untested_dir, tmp_path / 'run')
  data_sets.write_dataset(tmp_path / 'data', seed=1)
  with pytest.raises(errors.ConfigError, match='on another data set than'):
    resume.decide(*asked(tmp_path / 'data', tmp_path / 'run'))


def test_nothing_to_resume(untested_dir, tmp_path):
  with pytest.raises(errors.ConfigError, match='--resume=must: there is no run in --run_dir='):
    resume.decide(*asked(untested_dir, tmp_path / 'run', resume='must'))
