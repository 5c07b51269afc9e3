"""Runs on a network out of a file that is gone by then: what they keep of it suffices."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from schemas import errors
from tests.helpers import datasets, toy_models
from tests.trainer.trunks import test_init_from
from trainer.models import anatomy, saved_model
from trainer.runs import saved_run, training_state

SPEAKERS = {'train': ('ada', 'bob'), 'validation': ('eve',)}


class Encoder(tf.Module):
  """Takes one clip, as those of TensorFlow Hub do."""

  def __init__(self):
    rng = np.random.default_rng(0)
    self.kernel = tf.Variable(rng.normal(0, 0.1, (200, 6)).astype(np.float32), name='kernel')

  @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name='waveform')])
  def __call__(self, waveform):
    frames = tf.signal.frame(waveform, 200, 100)
    return {'embedding': frames @ self.kernel, 'energy': tf.reduce_sum(frames**2, -1)}


@pytest.fixture(scope='module')
def data_dirs(tmp_path_factory):
  """Two data sets of other labels."""
  folder = tmp_path_factory.mktemp('waves')
  for name, labels in (('one', ('no', 'yes')), ('other', ('a', 'b', 'c'))):
    datasets.write_dataset(
      folder / name, features=(datasets.WAVEFORM,), labels=labels, speakers=SPEAKERS
    )
  return str(folder / 'one'), str(folder / 'other')


@pytest.fixture(scope='module', params=['SavedModel', 'Keras file'])
def first(request, data_dirs, tmp_path_factory):
  """A run of one epoch, its flags, and one of two epochs beside it; their file is gone."""
  folder = tmp_path_factory.mktemp('runs')
  is_graph = request.param == 'SavedModel'
  if is_graph:
    file, made = str(folder / 'hub'), Encoder()
    tf.saved_model.save(made, file, signatures={'serving_default': made.__call__})
  else:
    file = shutil.copy(toy_models.network_file(), folder)
  output = ',output=embedding' if is_graph else ''
  flags = {
    'data_dir': data_dirs[0],
    'model': f'saved_model:path={file}{output}',
    'freeze': 'none',
    'batch_size': 4,
  }
  made = {
    epochs: test_init_from.train(**flags, epochs=epochs, run_dir=str(folder / f'run-{epochs}'))
    for epochs in (1, *([2] if is_graph else []))
  }
  (shutil.rmtree if is_graph else os.remove)(file)
  return made[1], flags, made.get(2)


def test_its_trunk_goes_into_another_run(first, data_dirs):
  source = first[0]
  model, parts = test_init_from.begin(data_dirs[1], init_from=source.path)
  theirs = anatomy.trunk(saved_run.load(source.path).load_model('best'))
  assert test_init_from.same(anatomy.trunk(model).get_weights(), theirs.get_weights())
  batch = np.random.default_rng(0).normal(size=(2, 4000)).astype(np.float32)
  np.testing.assert_array_equal(anatomy.trunk(model)(batch), theirs(batch))
  assert parts.taken.new.keys() == {'logits'}
  assert model.output_shape == (None, 3)


@pytest.mark.parametrize('first', ['SavedModel'], indirect=True)
def test_a_run_in_the_place_of_the_one_it_begins_with(first, data_dirs, tmp_path):
  """And a teacher, whose memory is asked too."""
  run_dir = str(tmp_path / 'run')
  shutil.copytree(first[0].path, run_dir)
  settings = {'init_from': run_dir, 'run_dir': run_dir, 'teacher': first[0].path}
  folder = test_init_from.train(data_dirs[0], overwrite=True, **settings)
  assert saved_run.load(folder.path).load_model('last').output_shape == (None, 2)


def test_it_is_gone_on_with_to_the_same_bits(first):
  run, flags, whole = first
  kept = sorted(os.listdir(run.graphs_dir))
  longer = test_init_from.train(**flags, epochs=2, run_dir=run.path)
  assert sorted(os.listdir(longer.graphs_dir)) == kept
  assert longer.num_epochs_done() == 2
  for name, array in state(whole or longer).items():
    np.testing.assert_array_equal(array, state(longer)[name], err_msg=name)


def state(folder):
  return training_state.read(folder.state_files()[0])[0]


def test_without_the_copy_the_file_is_named(first, data_dirs, tmp_path):
  shutil.copytree(first[0].path, tmp_path / 'copy')
  shutil.rmtree(tmp_path / 'copy' / 'graphs')
  with pytest.raises(errors.ConfigError, match=r'cannot be read|there is no such file or folder'):
    test_init_from.begin(data_dirs[1], init_from=str(tmp_path / 'copy'))


def test_a_copy_that_was_swapped_is_noticed_by_who_computes_with_it(first, data_dirs, tmp_path):
  run, flags, _ = first
  copy = tmp_path / 'copy'
  shutil.copytree(run.path, copy)
  saved_run.load(str(copy)).load_model('best')
  file = next(path for path in sorted((copy / 'graphs').rglob('*')) if path.suffix != '.pb'
              and path.is_file() and path.stat().st_size)  # fmt: skip
  file.write_bytes(file.read_bytes()[:-1] + b'x')
  said = f'{file.name}.* is not what the run wrote'
  with pytest.raises(errors.ConfigError, match=said):
    saved_run.load(str(copy)).load_model('best')
  with pytest.raises(errors.ConfigError, match=said):
    test_init_from.begin(data_dirs[1], init_from=str(copy))
  with pytest.raises(errors.ConfigError, match=said):
    test_init_from.train(**flags, epochs=9, run_dir=str(copy))


def test_a_copy_appears_whole_or_not_at_all(tmp_path):
  with pytest.raises(KeyboardInterrupt), saved_model._appearing(str(tmp_path / 'a' / 'b')) as path:
    os.makedirs(path)
    raise KeyboardInterrupt
  assert os.listdir(tmp_path / 'a') == []
