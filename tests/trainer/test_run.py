"""Whole runs in this process, on tiny data sets."""

import dataclasses
import json
import os
import shlex
import shutil
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from schemas import errors
from tests.helpers import datasets
from tests.trainer.callbacks import test_callbacks
from tfrecords import command_line, manifest_file
from trainer import __main__, announce, config, preflight, run
from trainer.data import datasets as data_sets
from trainer.devices import half_precision, machine
from trainer.learning import steps
from trainer.runs import run_folder

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'


# What TensorFlow and Keras have no part in is tried on one stack.


@pytest.fixture(autouse=True)
def _own_working_directory(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)


def train(data_dir, **settings):
  defaults = {
    'data': str(data_dir),
    'model': TOY,
    'epochs': 2,
    'batch_size': 16,
    'learning_rate': 0.01,
  }
  return run.train(config.TrainConfig(**{**defaults, **settings}))


@pytest.fixture(scope='module')
def plain(untested_dir, tmp_path_factory):
  """The folder of a run of three epochs with nothing special about it."""
  return train(untested_dir, epochs=3, run_dir=str(tmp_path_factory.mktemp('plain') / 'run'))


@pytest.mark.one_stack
def test_what_can_be_refused_is_looked_at_once(untested_dir, monkeypatch):
  looks = []

  def look(config_, check=preflight.check):
    looks.append(config_)
    return check(config_)

  def stop(*_, **__):
    raise KeyboardInterrupt

  monkeypatch.setattr(preflight, 'check', look)
  monkeypatch.setattr(machine, 'prepare', stop)
  with pytest.raises(KeyboardInterrupt):
    __main__.main([f'--data={untested_dir}'])
  assert len(looks) == 1


@pytest.mark.one_stack
def test_steps_that_are_longer_than_the_train_split_are_refused(untested_dir):
  asked = {'data': untested_dir, 'batch_size': 16}  # Of 44 clips.
  preflight.check(config.TrainConfig(**asked, accumulate=3))
  with pytest.raises(errors.ConfigError, match='has 44: .* again.* Write --accumulate=3 or less'):
    preflight.check(config.TrainConfig(**asked, accumulate=4))


def history_of(folder):
  with open(folder.history_file, encoding='utf-8') as stream:
    return json.load(stream)


@pytest.mark.one_stack
def test_batches_that_are_accumulated_make_the_run_of_the_larger_batch(untested_dir, capsys):
  recipe = {
    'epochs': 1,
    'ema': 0.9,
    'augment': ['mixup'],
    'schedule': 'cosine',
    'scale_learning_rate': 'sqrt',
  }
  whole = train(untested_dir, **recipe, run_dir='whole')
  parts = train(untested_dir, **recipe, run_dir='parts', batch_size=4, accumulate=4)
  assert 'learning rate 0.005 for the whole batch of 16, in 4 parts' in capsys.readouterr().out
  np.testing.assert_allclose(losses_of(parts), losses_of(whole), rtol=1e-4)
  for mine, other in zip(weights_of(parts), weights_of(whole), strict=True):
    np.testing.assert_allclose(mine, other, atol=1e-4)


def weights_of(folder, name='best'):
  path = folder.checkpoint_file(name)
  return keras.saving.load_model(path, compile=False).get_weights()


def losses_of(folder):
  return [
    (epoch['train']['loss'], epoch['validation']['loss'], epoch['validation']['accuracy'])
    for epoch in history_of(folder)
  ]


def shown_hyperparameters(folder):
  """What TensorBoard's table shows of a run."""
  reader = event_accumulator.EventAccumulator(folder.logs_dir)
  reader.Reload()
  stored = reader.SummaryMetadata('_hparams_/session_start_info').plugin_data.content
  return plugin_data_pb2.HParamsPluginData.FromString(stored).session_start_info.hparams


def test_a_run_leaves_everything_in_its_folder(data_dir, capsys):
  folder = train(data_dir, epochs=8, run_dir='runs/mine')
  assert folder.path == 'runs/mine'
  assert sorted(os.listdir(folder.path)) == [
    'checkpoints',
    'checkpoints.json',
    'confidence.json',
    'config.json',
    'confusion_matrix.png',
    'history.json',
    'judged',
    'logs',
    'manifest.json',
    'outcome.json',
    'predictions.parquet',
    'report.html',
    'report.json',
  ]
  assert sorted(os.listdir(folder.checkpoints_dir)) == [
    'best.keras',
    'last.keras',
    'state-000000000021.npz',
    'state-000000000024.npz',
  ]
  logs = [name for name in os.listdir(folder.logs_dir) if not name.startswith('events.')]
  assert sorted(logs) == ['test', 'train', 'validation']
  hyperparameters = shown_hyperparameters(folder)
  assert hyperparameters['learning_rate'].number_value == 0.01
  assert hyperparameters['feature'].string_value == 'log_mel'
  assert hyperparameters['dataset'].string_value == 'tiny'
  assert history_of(folder)[-1]['validation']['accuracy'] > 0.9
  assert history_of(folder)[-1]['validation']['num_examples'] == 11
  with open(folder.judgement.report_file, encoding='utf-8') as stream:
    report = json.load(stream)
  assert report['num_examples'] == 22
  assert report['accuracy'] > 0.9
  said = capsys.readouterr().out
  assert 'tiny: 3 labels; clips: train 44, validation 11, test 22' in said
  assert 'steps    3 of 16 clips make an epoch: all 44 clips and 4 of the next pass\n' in said
  found, _ = test_callbacks.logged(folder.logs_dir, 'test')
  assert found['accuracy'] == [(24, pytest.approx(report['accuracy']))]
  assert f'test     accuracy {100 * report["accuracy"]:.1f} % on 22 clips' in said
  assert f'report   {folder.judgement.page_file}, {folder.judgement.report_file}, ' in said
  assert f'python -m tensorboard.main --logdir={folder.logs_dir}' in said


@pytest.mark.one_stack
@pytest.mark.parametrize(
  ('batch_size', 'steps', 'said'),
  [
    (8, 5, '5 of 8 clips make an epoch: 40 of the 44 clips, the next begins with the other 4'),
    (11, 4, '4 of 11 clips make an epoch: all 44 clips'),
    (64, 1, '1 of 64 clips makes an epoch: all 44 clips and 20 of the next pass'),
  ],
)
def test_an_epoch_says_how_many_of_the_clips_it_takes(untested_dir, batch_size, steps, said):
  data = data_sets.load(untested_dir)
  assert announce._epoch(data, 'clips', batch_size=batch_size, steps=steps) == said


def test_config_says_how_to_repeat_the_run(plain, untested_dir):
  written = plain.read_config()
  words = shlex.split(written['command'])
  assert words[:3] == ['python', '-m', 'trainer']
  asked = command_line.parse(config.TrainConfig, words[3:], description='')
  assert dataclasses.replace(asked, run_dir=plain.path) == config.TrainConfig(**written['flags'])
  assert config.TrainConfig(**written['flags']) == config.TrainConfig(
    data=untested_dir,
    run_dir=plain.path,
    model=TOY,
    epochs=3,
    batch_size=16,
    learning_rate=0.01,
  )
  assert written['manifest_sha256'] == manifest_file.digest(untested_dir)
  assert written['data_dir'] == untested_dir
  assert written['feature']['name'] == 'log_mel'
  assert written['versions']['keras'] == keras.__version__
  assert manifest_file.digest(plain.path) == manifest_file.digest(untested_dir)


@pytest.mark.one_stack
def test_a_finished_run_goes_on_with_more_epochs_as_if_it_had_been_asked_for_them(
  plain, untested_dir, tmp_path, capsys
):
  settings = {'run_dir': str(tmp_path / 'longer')}
  folder = train(untested_dir, epochs=2, **settings)
  with open(folder.config_file, encoding='utf-8') as stream:
    old = stream.read()
  with open(folder.config_file, 'w', encoding='utf-8') as stream:
    stream.write(old.replace(f'"keras": "{keras.__version__}"', '"keras": "2.0.0"'))
  leftover = f'{folder.checkpoint_file("last")}.tmp-{"0a" * 16}.keras'
  with open(leftover, 'wb'):
    pass
  capsys.readouterr()
  train(untested_dir, epochs=3, **settings)
  said = capsys.readouterr().out
  assert not os.path.exists(leftover)
  assert 'extended from 2 epochs to 3.\nnote: the run was made with Keras 2.0.0, here is' in said
  for ours, theirs in zip(weights_of(folder, 'last'), weights_of(plain, 'last'), strict=True):
    np.testing.assert_array_equal(ours, theirs)
  assert losses_of(folder) == losses_of(plain)
  assert folder.read_config()['flags']['epochs'] == folder.read_outcome()['epochs'] == 3
  before = os.stat(folder.outcome_file)
  train(untested_dir, epochs=3, **settings)
  assert capsys.readouterr().out.startswith(f'finished {folder.path}: the run of this command')
  monkeyed = [f'--data={untested_dir}', f'--model={TOY}', '--epochs=3', '--batch_size=16']
  __main__.main([*monkeyed, '--learning_rate=0.01', f'--run_dir={folder.path}'])
  assert 'came to its end after 3 epochs; nothing was done' in capsys.readouterr().out
  assert os.stat(folder.outcome_file) == before


@pytest.mark.one_stack
def test_a_cosine_goes_on_as_that_of_the_longer_run(untested_dir, tmp_path, capsys):
  settings = {'run_dir': str(tmp_path / 'run'), 'schedule': 'cosine', 'batch_size': 44}
  train(untested_dir, epochs=1, **settings)
  folder = train(untested_dir, epochs=2, **settings)
  rates = [epoch['learning_rate'] for epoch in history_of(folder)]
  np.testing.assert_allclose(rates, [0, 0], atol=1e-9)
  said = capsys.readouterr().out
  assert 'learning rate goes on at 0.005, as in a run of 2 epochs, and not at the 0 of be' in said


@pytest.mark.one_stack
def test_best_checkpoint_is_the_best_epoch(untested_dir):
  folder = train(untested_dir, epochs=6, monitor='loss', learning_rate=0.05)
  losses = [epoch['validation']['loss'] for epoch in history_of(folder)]
  again = train(untested_dir, epochs=1 + int(np.argmin(losses)), monitor='loss', learning_rate=0.05)
  for best, last in zip(weights_of(folder), weights_of(again, 'last'), strict=True):
    np.testing.assert_allclose(best, last, atol=1e-6)


# Step by step every strategy is tried in every precision in test_steps.py, and whole runs on one
# and three devices in test_multi_worker.py.
@pytest.mark.parametrize(
  ('strategy', 'virtual', 'precision'),
  [('none', 0, 'mixed_float16'), ('mirrored', 2, 'mixed_bfloat16')],
)
def test_it_learns_in_half_precision(untested_dir, strategy, virtual, precision):
  folder = train(
    untested_dir, strategy=strategy, virtual_devices=virtual, precision=precision, epochs=8
  )
  history = history_of(folder)
  assert history[-1]['validation']['accuracy'] > 0.9
  assert history[-1]['validation']['num_examples'] == 11
  assert {weights.dtype for weights in weights_of(folder)} == {np.dtype('float32')}


def test_same_flags_same_weights_bit_for_bit(untested_dir):
  settings = {'deterministic': True, 'model': TOY.replace('dropout=0', 'dropout=0.5')}
  first, second = (train(untested_dir, seed=4, **settings) for _ in range(2))
  other = train(untested_dir, seed=5, **settings)
  assert losses_of(first) == losses_of(second) != losses_of(other)
  for a, b in zip(weights_of(first), weights_of(second), strict=True):
    np.testing.assert_array_equal(a, b)


def test_steps_per_execution_changes_nothing_but_the_rhythm(plain, untested_dir):
  one_by_one = train(untested_dir, epochs=3, steps_per_execution=1)
  np.testing.assert_allclose(losses_of(one_by_one), losses_of(plain), atol=1e-6)


@pytest.mark.one_stack
def test_stops_when_nothing_gets_better(untested_dir, capsys):
  folder = train(untested_dir, epochs=50, patience=2, learning_rate=1e-9)
  assert len(history_of(folder)) < 50
  assert 'stopped early: no epoch was better than epoch' in capsys.readouterr().out


@pytest.mark.one_stack
@pytest.mark.parametrize(('device', 'said'), [('GPU:0', 1), ('CPU:0', 0)])
def test_what_a_gpu_does_not_repeat_is_said(device, said, untested_dir, monkeypatch, capsys):
  seen = {**vars(machine), 'devices': lambda **_: [device]}
  monkeypatch.setattr(announce, 'machine', types.SimpleNamespace(**seen))
  train(untested_dir, model='bilstm:units=4', precision='mixed_bfloat16', epochs=1)
  note = 'note: bilstm in mixed_bfloat16 does not give the same bits twice on a GPU'
  assert capsys.readouterr().out.count(note) == said


@pytest.mark.one_stack
def test_a_single_device_is_said(untested_dir, capsys):
  train(untested_dir, strategy='mirrored', virtual_devices=1, epochs=1)
  assert 'note: there is one device, so --strategy=mirrored does' in capsys.readouterr().out


@pytest.mark.one_stack
def test_without_validation_all_epochs_are_trained_and_the_last_is_kept(tmp_path, capsys):
  datasets.write_dataset(tmp_path / 'data', speakers={'train': ('ada', 'bob')})
  folder = train(tmp_path / 'data', epochs=3, patience=1)
  assert len(history_of(folder)) == 3
  said = capsys.readouterr().out
  assert 'there is no validation split, so the last of 3 epochs is kept as the best' in said
  assert 'there is no test split, so there is no report' in said
  assert not os.path.exists(os.path.join(folder.logs_dir, 'validation'))
  for best, last in zip(weights_of(folder), weights_of(folder, 'last'), strict=True):
    np.testing.assert_array_equal(best, last)


@pytest.mark.one_stack
def test_a_feature_can_be_picked_and_needs_to_be(tmp_path):
  features = (datasets.WAVEFORM, datasets.LOG_MEL)
  datasets.write_dataset(tmp_path / 'data', features=features)
  with pytest.raises(errors.DatasetError, match='several features: waveform, log_mel.*--feature'):
    train(tmp_path / 'data')
  with pytest.raises(errors.DatasetError, match="no feature 'mfcc'"):
    train(tmp_path / 'data', feature='mfcc')
  with pytest.raises(errors.DatasetError, match=r"'waveform' is \[4000\]"):
    train(tmp_path / 'data', feature='waveform')
  assert not os.path.exists('runs')
  assert history_of(train(tmp_path / 'data', feature='log_mel', epochs=1))


@pytest.mark.one_stack
def test_what_the_data_job_warned_of_and_what_nobody_says_is_told(tmp_path, capsys, monkeypatch):
  monkeypatch.setattr(machine, 'devices', lambda virtual=0: ['CPU:0'])
  monkeypatch.setattr(half_precision, 'is_emulated', lambda precision: precision == 'float32')
  found = datasets.write_dataset(
    tmp_path / 'data', labels=('a', 'b', 'c', 'd'), clips_per_speaker=3, speakers={'train': ('x',)}
  )
  warned = dataclasses.replace(found, warnings=('The voices are all alike.',))
  manifest_file.save(warned, str(tmp_path / 'data'))
  train(tmp_path / 'data', epochs=1)
  said = capsys.readouterr().out
  assert 'note: The voices are all alike.' in said
  assert 'no clip of the train split has the label d.' in said
  assert 'note: this processor has no instructions for float32' in said


@pytest.mark.one_stack
def test_data_of_this_machine_may_be_named_by_its_address(untested_dir):
  arguments = [f'--data=file://{untested_dir}', f'--model={TOY}', '--epochs=1', '--batch_size=8']
  parsed = command_line.parse(config.TrainConfig, arguments, description='')
  folder = run.train(parsed)
  assert folder.read_config()['data_dir'] == untested_dir
  assert len(history_of(folder)) == 1


@pytest.mark.one_stack
def test_missing_data(tmp_path):
  with pytest.raises(errors.DatasetError, match=r"There is no folder '.*nowhere'"):
    train(tmp_path / 'nowhere')
  (tmp_path / 'empty').mkdir()
  with pytest.raises(errors.DatasetError, match=r'holds no data set'):
    train(tmp_path / 'empty')
  with pytest.raises(errors.DatasetError, match=r'no demo data set.*python -m beam_jobs.featurize'):
    train('demo/data')


@pytest.mark.one_stack
def test_unfinished_data(untested_dir, tmp_path):
  shutil.copytree(untested_dir, tmp_path / 'data')
  os.remove(tmp_path / 'data' / 'manifest.json')
  with pytest.raises(errors.DatasetError, match=r'data job did not\s+finish'):
    train(tmp_path / 'data')


@pytest.mark.one_stack
@pytest.mark.parametrize(
  ('speakers', 'labels', 'sentence'),
  [
    ({'test': ('ada', 'bob')}, ('no', 'yes'), r'train split of .* is empty.*holds test'),
    ({'train': ('ada',)}, ('no',), r'clips of 1 label: there is nothing to tell apart'),
  ],
)
def test_data_that_teaches_nothing(tmp_path, speakers, labels, sentence):
  datasets.write_dataset(tmp_path / 'data', speakers=speakers, labels=labels)
  with pytest.raises(errors.DatasetError, match=sentence):
    train(tmp_path / 'data')
  assert not os.path.exists('runs')


@pytest.mark.one_stack
def test_missing_shard(untested_dir, tmp_path):
  shutil.copytree(untested_dir, tmp_path / 'data')
  shard = manifest_file.load(untested_dir).shards_of('train')[1].file_name
  os.remove(tmp_path / 'data' / shard)
  with pytest.raises(errors.DatasetError, match=rf"not in .*'{shard}'"):
    train(tmp_path / 'data')
  assert not os.path.exists('runs')


@pytest.mark.parametrize('split', ['train', 'validation'])
def test_damaged_shard_in_the_middle_of_a_run(untested_dir, tmp_path, split):
  shutil.copytree(untested_dir, tmp_path / 'data')
  shard = manifest_file.load(untested_dir).shards_of(split)[0].file_name
  with open(tmp_path / 'data' / shard, 'r+b') as stream:
    stream.seek(-2000, os.SEEK_END)
    stream.write(b'\xff' * 8)
  with pytest.raises(errors.DatasetError, match=r'python -m tfrecords.verify .*data'):
    train(tmp_path / 'data')


def test_runaway_training_is_stopped(untested_dir):
  with pytest.raises(errors.ConfigError, match=r'loss .*(nan|inf).*lower --learning_rate') as told:
    train(untested_dir, learning_rate=1e30, epochs=5, run_dir='run', deterministic=True)
  if 'validation loss' not in str(told.value):
    with open('run/failed_batch.json', encoding='utf-8') as stream:
      found = json.load(stream)
    assert len(found['ids']) == 16
    assert f'Its batch held {found["ids"][0]}, ' in str(told.value)
    assert f'in step {found["step"]} ' in str(told.value)


@pytest.mark.one_stack
def test_run_folder_is_refused_before_anything_is_done(untested_dir):
  train(untested_dir, epochs=1, run_dir='run')
  with pytest.raises(
    errors.ConfigError, match=r'already holds a run that is finished, with --seed'
  ):
    train(untested_dir, epochs=1, run_dir='run', seed=1)
  # A mistake found later leaves the old run alone, too.
  with pytest.raises(errors.DatasetError, match='needs at least'):
    train(untested_dir, run_dir='run', overwrite=True, model='cnn:conv_layers=9')
  assert weights_of(run_folder.RunFolder('run'))
  assert len(history_of(train(untested_dir, epochs=2, run_dir='run', overwrite=True))) == 2


@pytest.mark.parametrize(
  'error',
  [
    tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating tensor'),
    # Convolutions of a GPU.
    tf.errors.NotFoundError(
      None,
      None,
      'No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine eng0{}: '
      'RESOURCE_EXHAUSTED: Out of memory while trying to allocate 2147483648 bytes.',
    ),
  ],
)
def test_too_large_a_batch_is_named(error, untested_dir, monkeypatch):
  def train_steps(self, batches, num_steps):
    raise error

  monkeypatch.setattr(steps.Steps, 'train', train_steps)
  with pytest.raises(errors.ConfigError, match=r'batches of 16 examples.*Lower --batch_size'):
    train(untested_dir)


@pytest.mark.one_stack
def test_every_field_of_the_config_survives_json():
  asked = config.TrainConfig()
  assert config.TrainConfig(**json.loads(json.dumps(asked.to_json()))) == asked
  assert dataclasses.asdict(asked) == asked.to_json()


EVERYTHING = {
  'optimizer': 'adamw',
  'schedule': 'cosine:warmup_epochs=0.5',
  'scale_learning_rate': 'sqrt',
  'label_smoothing': 0.1,
  'class_weights': 'balanced',
  'clip_norm': 1.0,
  'ema': 0.9,
  'monitor': 'macro_f1',
}


def test_all_that_training_can_do_at_once_learns(untested_dir, capsys):
  folder = train(untested_dir, epochs=10, **EVERYTHING)
  history = history_of(folder)
  assert history[-1]['validation']['macro_f1'] > 0.9
  assert history[-1]['learning_rate'] < history[0]['learning_rate']
  said = capsys.readouterr().out
  assert (
    'learning adamw, learning rate 0.005 for the whole batch of 16 (sqrt from batches of 64), '
    'cosine:warmup_epochs=0.5, label_smoothing 0.1, clip_norm 1, ema 0.9, class weights balanced'
  ) in said
  assert 'validation macro_f1' in said


def test_compiled_by_xla_it_learns(untested_dir):
  settings = {'jit_compile': True, 'deterministic': False}
  history = history_of(train(untested_dir, epochs=6, **settings))
  assert history[-1]['validation']['accuracy'] > 0.9


@pytest.mark.one_stack
def test_averages_are_what_is_judged_and_kept(plain, untested_dir):
  from trainer.judging import evaluation

  folder = train(untested_dir, epochs=3, ema=0.9)
  report = evaluation.evaluate_run(folder.path, split='validation', checkpoint='last')
  assert report['loss'] == pytest.approx(history_of(folder)[-1]['validation']['loss'], abs=1e-5)
  assert losses_of(plain)[-1][0] == losses_of(folder)[-1][0]  # Training itself is the same.
  assert any(
    (a != b).any()
    for a, b in zip(weights_of(plain, 'last'), weights_of(folder, 'last'), strict=True)
  )
