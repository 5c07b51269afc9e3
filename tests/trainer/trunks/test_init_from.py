"""--init_from, --freeze and --trunk_learning_rate in whole runs, on tiny data sets."""

import contextlib
import dataclasses
import hashlib
import io
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas import errors
from tests.helpers import datasets
from tests.trainer.callbacks import test_callbacks
from trainer import announce, assembly, config, preflight, run
from trainer.devices import workers
from trainer.models import anatomy, front_end
from trainer.runs import origin, training_state

TOY = 'cnn:conv_layers=2,filters=4,dense_units=16,dropout=0'
UNTESTED = {split: names for split, names in datasets.SPEAKERS.items() if split != 'test'}


def asked(data_dir, **settings):
  defaults = {'data': str(data_dir), 'epochs': 1, 'batch_size': 16, 'learning_rate': 0.01}
  return config.TrainConfig(**{**defaults, **settings})


def train(data_dir, **settings):
  return run.train(asked(data_dir, **settings))


def begin(data_dir, **settings):
  """The model and its parts in front of the first step."""
  config_ = asked(data_dir, **settings)
  data, _ = preflight.check(config_)
  here = workers.Workers(tf.distribute.get_strategy())
  filling = assembly.origin(config_, here)
  model, _, parts = assembly.build(config_, data, here, rate=0.01, filling=filling)
  return model, parts


@pytest.fixture(scope='module')
def source(untested_dir, tmp_path_factory):
  """A run to begin with."""
  return train(untested_dir, model=TOY, run_dir=str(tmp_path_factory.mktemp('source') / 'run'))


@pytest.fixture(scope='module')
def other_dir(tmp_path_factory):
  """Other voices, other labels, other statistics."""
  path = tmp_path_factory.mktemp('other') / 'data'
  datasets.write_dataset(path, name='other', labels=('a', 'b', 'c', 'd'), speakers=UNTESTED, seed=5)
  return str(path)


def load(folder, name='last'):
  return keras.models.load_model(folder.checkpoint_file(name), compile=False)


def trunk_weights(model):
  return anatomy.trunk(model).get_weights()


def head_weights(model):
  return model.get_layer('logits').get_weights()


def same(ours, theirs):
  return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture(scope='module')
def frozen(source, other_dir, tmp_path_factory):
  """A run on other labels whose trunk is the source's, frozen; and what it said."""
  run_dir = str(tmp_path_factory.mktemp('frozen') / 'run')
  with contextlib.redirect_stdout(io.StringIO()) as said:
    folder = train(other_dir, init_from=source.path, freeze='trunk', run_dir=run_dir)
  return folder, said.getvalue()


def test_a_frozen_trunk_is_that_of_the_run_with_its_statistics(source, frozen):
  ours, theirs = load(frozen[0]), load(source, 'best')
  assert same(trunk_weights(ours), trunk_weights(theirs))
  batch = np.random.default_rng(0).normal(size=(3, 20, 16)).astype(np.float32)
  np.testing.assert_array_equal(anatomy.trunk(ours)(batch), anatomy.trunk(theirs)(batch))
  assert ours.output_shape == (None, 4)


def test_config_names_the_model_and_the_digest_of_the_run(source, frozen):
  written = frozen[0].read_config()
  with open(source.checkpoint_file('best'), 'rb') as stream:
    assert written['init_from']['sha256'] == hashlib.sha256(stream.read()).hexdigest()
  assert written['init_from']['path'] == source.path
  assert written['flags']['model'] == source.read_config()['model'] == written['model']


def test_what_is_taken_and_what_is_new_is_said(source, frozen):
  trunk = 4 * 9 + 4 + 4 * 9 * 4 + 4 + 3 * 2 * 4 * 16 + 16
  said = frozen[1]
  assert (
    f'taken    trunk of {source.path}: block1_conv, block2_conv, dense ({trunk:,} weights)\n'
    in said
  )
  assert 'new      head: logits (68 weights)\n' in said
  assert f'frozen   the trunk: {trunk:,} of {trunk + 68:,} parameters do not train\n' in said
  assert '`python -m trainer.extract`' in said


def test_the_head_is_taken_where_the_labels_are_the_same(source, untested_dir):
  # A file in the run's folder stands for the run.
  model, parts = begin(untested_dir, init_from=source.checkpoint_file('best'))
  assert parts.taken.head == {'logits': 51}
  assert same(model.get_weights(), load(source, 'best').get_weights())


def test_a_run_goes_on_without_its_origin(source, other_dir, tmp_path, capsys):
  """The same bits as without a stop: weights from the state, statistics from config.json."""
  origin = str(tmp_path / 'origin')
  shutil.copytree(source.path, origin)
  settings = {
    'init_from': origin,
    'freeze': 'blocks:1',
    'strategy': 'mirrored',
    'virtual_devices': 2,
    'scale_learning_rate': 'linear',
    'trunk_learning_rate': 0.001,
    'optimizer': 'adamw',
    'ema': 0.9,
    'clip_norm': 1.0,
    'patience': 0,
  }
  whole = train(other_dir, epochs=2, run_dir=str(tmp_path / 'whole'), **settings)
  said = capsys.readouterr().out
  rates = 'learning rate 0.0025 for the whole batch of 16 (linear from batches of 64), 0.00025 '
  assert f'{rates}for the trunk, ' in said
  logged, _ = test_callbacks.logged(whole.logs_dir, 'train')
  assert logged['learning_rate'][-1][1] == pytest.approx(0.0025)
  assert logged['trunk_learning_rate'][-1][1] == pytest.approx(0.00025)
  first = train(other_dir, epochs=1, run_dir=str(tmp_path / 'parts'), **settings)
  shutil.rmtree(origin)
  flags = first.read_config()
  parts = train(other_dir, epochs=2, run_dir=first.path, **settings)
  assert parts.read_config()['init_from'] == flags['init_from']
  states = [training_state.read(folder.state_files()[0])[0] for folder in (whole, parts)]
  assert states[0].keys() == states[1].keys()
  for name, array in states[0].items():
    np.testing.assert_array_equal(array, states[1][name], err_msg=name)
  batch = np.random.default_rng(0).normal(size=(3, 20, 16)).astype(np.float32)
  np.testing.assert_array_equal(load(whole)(batch), load(parts)(batch))


def test_a_trunk_of_computed_features(tmp_path):
  data = tmp_path / 'waves'
  datasets.write_dataset(data, features=(datasets.WAVEFORM,), speakers=UNTESTED)
  compute = 'log_mel:num_mels=16'
  first = train(data, compute=compute, model=TOY, run_dir=str(tmp_path / 'first'))
  second, _ = begin(data, compute=compute, init_from=first.path)
  assert front_end.parts(second)[0] is not None
  assert same(trunk_weights(second), trunk_weights(load(first, 'best')))
  with pytest.raises(errors.ConfigError, match='takes log_mel with .*num_mels=16.*num_mels=17'):
    begin(data, compute='log_mel:num_mels=17', init_from=first.path)


def test_a_file_that_lies_alone_wants_its_model(source, other_dir, tmp_path):
  file = str(tmp_path / 'mine.keras')
  shutil.copy(source.checkpoint_file('best'), file)
  model, _ = begin(other_dir, model=TOY, init_from=file)
  assert same(trunk_weights(model), trunk_weights(load(source, 'best')))
  with pytest.raises(errors.ConfigError, match='does not fit --model=tc_resnet on this data'):
    begin(other_dir, init_from=file)


def test_another_model_is_refused(source, other_dir):
  with pytest.raises(errors.ConfigError, match=r'run of --model=cnn:.*filters=4.*filters=8'):
    begin(other_dir, model=TOY.replace('=4', '=8'), init_from=source.path)
  # What the head drops is no matter of the trunk.
  begin(other_dir, model=TOY.replace('dropout=0', 'dropout=0.3'), init_from=source.path)


def test_another_feature_is_refused_with_both(source, tmp_path):
  spec = dataclasses.replace(datasets.LOG_MEL, shape=(20, 12))
  datasets.write_dataset(tmp_path / 'data', features=(spec,), speakers=UNTESTED)
  with pytest.raises(errors.ConfigError, match=r'log_mel with bins=\[16\].*bins=\[12\]'):
    train(tmp_path / 'data', init_from=source.path)
  named, settings = origin.find(source.path), {'num_mels': 16, 'hop_ms': 10}
  other = dataclasses.replace(spec, name='mfcc', settings=settings)
  for rate_hz, theirs, ours in (
    (8_000, '', ''),
    (16_000, ' with sample_rate_hz=8000', ' with sample_rate_hz=16000'),
  ):
    audio = dataclasses.replace(datasets.AUDIO, sample_rate_hz=rate_hz)
    with pytest.raises(errors.ConfigError) as caught:
      origin.check_feature(named, other, audio)
    assert f'takes log_mel{theirs}; this data gives mfcc{ours}. Make' in str(caught.value)


def test_another_length_is_refused_where_the_trunk_flattens(source, tmp_path):
  spec = dataclasses.replace(datasets.LOG_MEL, shape=(24, 16))
  audio = dataclasses.replace(datasets.AUDIO, clip_s=0.6)
  datasets.write_dataset(tmp_path / 'data', features=(spec,), speakers=UNTESTED, audio=audio)
  with pytest.raises(errors.ConfigError, match="layer 'dense' are 24x16 and 16 there and 32x16"):
    train(tmp_path / 'data', init_from=source.path, run_dir=str(tmp_path / 'run'))
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('settings', 'sentence'),
  [
    ({'init_from': __file__}, r'a \.keras file of one; it is another file'),
    ({'freeze': 'head'}, 'expected auto, none, trunk or blocks:N'),
    (
      {'freeze': 'trunk', 'trunk_learning_rate': 0.1},
      'trunk_learning_rate=.* has no effect with --freeze=trunk',
    ),
    ({'trunk_learning_rate': 0.0}, 'trunk_learning_rate'),
  ],
)
def test_wrong_flags_are_refused_at_once(settings, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    config.TrainConfig(**settings)


def test_a_run_that_is_not_there_is_refused(untested_dir):
  with pytest.raises(errors.ConfigError, match='no such file or folder'):
    train(untested_dir, init_from='nowhere')


def test_a_rate_of_what_is_frozen_is_refused(source, other_dir):
  with pytest.raises(errors.ConfigError, match='no weight of the trunk'):
    begin(other_dir, init_from=source.path, freeze='blocks:2', trunk_learning_rate=0.1)


def test_a_damaged_checkpoint_is_refused(source, other_dir, tmp_path):
  shutil.copytree(source.path, tmp_path / 'copy')
  file = tmp_path / 'copy' / 'checkpoints' / 'best.keras'
  file.write_bytes(file.read_bytes()[:1000])
  with pytest.raises(errors.ConfigError, match='is not what the run wrote.*damaged'):
    train(other_dir, init_from=str(tmp_path / 'copy'), run_dir=str(tmp_path / 'run'))
  (tmp_path / 'copy' / 'checkpoints.json').unlink()
  with pytest.raises(errors.ConfigError, match='cannot be read.*damaged'):
    train(other_dir, init_from=str(tmp_path / 'copy'), run_dir=str(tmp_path / 'run'))
  assert not (tmp_path / 'run').exists()


def test_frozen_random_numbers_are_warned_of(untested_dir):
  config_ = asked(untested_dir, model=TOY, freeze='trunk')
  _, parts = begin(untested_dir, model=TOY, freeze='trunk')
  (said,) = announce._notes_on_parts(config_, parts)
  assert said.startswith('--freeze=trunk keeps random numbers')
