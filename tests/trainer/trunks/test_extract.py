"""python -m trainer.extract in this process, on tiny data sets."""

import dataclasses
import json
import os
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from features import stored_form
from schemas import errors, naming, splits
from tests.helpers import datasets, tiny_manifest
from tfrecords import describe, manifest_file, reader, verify
from tfrecords.finishing import lock
from tfrecords.resources import free_memory
from tfrecords.wire import codec
from trainer import config as config_lib
from trainer import evaluate, extract, predict, run
from trainer.judging import compatibility
from trainer.models import anatomy
from trainer.runs import saved_run
from trainer.trunks import embedder, extraction

TOY = 'cnn:conv_layers=1,filters=4,dense_units=16,dropout=0'
SPEAKERS = {'train': ('ada', 'bob', 'cyd', 'dan'), 'validation': ('eve',), 'test': ('gus',)}


def train(data_dir, run_dir, **settings):
  defaults = {'epochs': 1, 'batch_size': 16, 'learning_rate': 0.01, 'model': TOY}
  asked = {**defaults, 'data': str(data_dir), 'run_dir': str(run_dir), **settings}
  return run.train(config_lib.TrainConfig(**asked))


def call(**flags):
  extract.main([f'--{name}={value}' for name, value in flags.items()])


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  path = tmp_path_factory.mktemp('data') / 'words'
  datasets.write_dataset(path, speakers=SPEAKERS)
  return str(path)


@pytest.fixture(scope='module')
def trained(data_dir, tmp_path_factory):
  return train(data_dir, tmp_path_factory.mktemp('runs') / 'words')


@pytest.fixture(scope='module')
def embedded(trained, data_dir, tmp_path_factory):
  """The embeddings of the data, as float32."""
  output = tmp_path_factory.mktemp('embedded') / 'words'
  call(run_dir=trained.path, output=output, dtype='float32', batch_size=5)
  return str(output)


def records(folder):
  found = manifest_file.load(folder)
  for shard in found.shards:
    for data in reader.read_records(os.path.join(folder, shard.file_name)):
      yield shard.file_name, codec.decode(data, found.features)


def contents(folder):
  return {
    path.name: path.read_bytes()
    for path in pathlib.Path(folder).iterdir()
    if naming.is_shard_name(path.name)
  }


def test_every_clip_has_what_the_trunk_makes_of_it(embedded, data_dir, trained):
  model = keras.models.load_model(trained.checkpoint_file('best'), compile=False)
  trunk = anatomy.trunk(model)
  theirs, ours = list(records(data_dir)), list(records(embedded))
  for (file, source), (file_here, clip) in zip(theirs, ours, strict=True):
    assert file == file_here
    for name in ('utterance_id', 'speaker_id', 'label', 'num_samples', 'file', 'end_us', 'fields'):
      assert getattr(clip, name) == getattr(source, name)
    array = stored_form.from_stored(source.arrays['log_mel'])
    wanted = np.array(trunk(array[None]))[0]
    np.testing.assert_allclose(clip.arrays['embedding'], wanted, rtol=1e-5, atol=1e-6)


def test_the_manifest_says_where_it_is_from(embedded, data_dir, trained):
  made, source = manifest_file.load(embedded), manifest_file.load(data_dir)
  assert (made.labels, made.num_speakers) == (source.labels, source.num_speakers)
  said = made.config['extracted']
  assert said['data_sha256'] == manifest_file.digest(data_dir)
  assert said['trunk'] == made.features[0].settings['trunk']
  assert said['command'].startswith(f'python -m trainer.extract --run_dir={trained.path}')
  values = np.stack(
    [clip.arrays['embedding'] for name, clip in records(embedded) if splits.TRAIN in name]
  )
  found = made.statistics['embedding']
  np.testing.assert_allclose(found.mean, values.mean(), rtol=1e-5)
  np.testing.assert_allclose(found.variance, values.var(), rtol=1e-4)


def test_it_is_a_data_set_as_any_other(embedded, capsys):
  tfds = pytest.importorskip('tensorflow_datasets')
  assert verify.main([embedded]) in (0, None)
  describe.main([embedded])
  assert 'embedding' in capsys.readouterr().out
  dataset = tfds.builder_from_directory(embedded).as_dataset(split='train')
  assert next(iter(dataset))['embedding'].shape == (16,)


def test_a_head_learns_from_it(embedded, trained, data_dir, tmp_path):
  folder = train(embedded, tmp_path / 'run', model='linear', epochs=10)
  with open(folder.judgement.report_file, encoding='utf-8') as stream:
    assert json.load(stream)['accuracy'] > 0.8
  with pytest.raises(errors.DatasetError, match=r"from 'embedding'.*trainer\.extract .*--data"):
    predict.main([f'--run_dir={folder.path}', 'one.wav'])
  made_by = rf'trainer.extract --run_dir={trained.path} --dtype=float32 --batch_size=5'
  sentence = rf'holds log_mel\..* first: python -m {made_by} --data={data_dir} --output=FOLDER\.'
  for program in (predict, evaluate):
    with pytest.raises(errors.DatasetError, match=sentence):
      program.main([f'--run_dir={folder.path}', f'--data={data_dir}'])
  saved = saved_run.load(folder.path)
  spec = dataclasses.replace(saved.feature, settings={**saved.feature.settings, 'trunk': 'f00'})
  other = dataclasses.replace(saved.manifest, features=(spec,))
  with pytest.raises(errors.DatasetError, match=rf'has trunk=f00\. .* --data={data_dir} --out'):
    compatibility.check_feature(saved, other, data_dir='other')


def test_the_next_command_predicts_where_there_is_nothing_to_learn_from():
  unlabelled = tiny_manifest.of(shape=(4,), labels=('unlabelled',), counts={'test': (3,)})
  assert extract._next('new', unlabelled).startswith('python -m trainer.predict --data=new ')
  words = tiny_manifest.of(shape=(4,), counts={'train': (1, 1, 1)})
  assert extract._next('new', words).startswith('python -m trainer --data=new ')


def test_a_rerun_goes_on_and_keeps_what_is_whole(trained, data_dir, tmp_path, capsys, monkeypatch):
  flags = {'run_dir': trained.path, 'output': tmp_path / 'out'}
  writes = []
  write = extraction._write

  def stop_at_the_third(asked, out, shard, *arguments, **others):
    writes.append(shard.file_name)
    if len(writes) == 3:
      raise KeyboardInterrupt
    return write(asked, out, shard, *arguments, **others)

  monkeypatch.setattr(extraction, '_write', stop_at_the_third)
  with pytest.raises(KeyboardInterrupt):
    call(**flags)
  with pytest.raises(errors.DatasetError, match='did not finish'):
    manifest_file.load(str(tmp_path / 'out'))
  half = contents(tmp_path / 'out')
  assert len(half) == 2
  torn = tmp_path / 'out' / next(iter(half))
  torn.write_bytes(torn.read_bytes()[:-1])
  call(**flags)
  assert len(writes) == 3 + 3, 'two were missing and one was torn'
  assert 'kept     1 shard that were whole' in capsys.readouterr().out
  whole = contents(tmp_path / 'out')
  assert {**whole, **half} == whole
  manifest_file.load(str(tmp_path / 'out'))
  call(**flags)
  assert len(writes) == 6
  assert 'kept     4 shards' in capsys.readouterr().out
  call(run_dir=trained.path, output=tmp_path / 'again', strategy='mirrored', virtual_devices=3)
  for (_, one), (_, other) in zip(
    records(str(tmp_path / 'out')), records(str(tmp_path / 'again')), strict=True
  ):
    np.testing.assert_allclose(one.arrays['embedding'], other.arrays['embedding'], rtol=2e-3)


def test_another_trunk_or_data_is_refused(embedded, trained, data_dir, tmp_path):
  with pytest.raises(errors.ConfigError, match=r'embeddings of something else: dtype float32'):
    call(run_dir=trained.path, output=embedded)
  model = keras.models.load_model(trained.checkpoint_file('best'), compile=False)
  made = manifest_file.load(embedded).features[0].settings['trunk']
  kernel = anatomy.trunk(model).trainable_weights[0]
  kernel.assign(kernel + 1)
  assert embedder.digest(model) != made
  for output, what in ((data_dir, 'is the data set itself'), (trained.path, 'holds a run')):
    with pytest.raises(errors.ConfigError, match=what):
      call(run_dir=trained.path, output=output)


def test_clips_of_any_length_have_an_embedding_of_their_own(tmp_path):
  data = tmp_path / 'data'
  datasets.write_dataset(
    data,
    features=(datasets.VARIABLE_LOG_MEL,),
    audio=datasets.VARIABLE_AUDIO,
    speakers=SPEAKERS,
    clips_per_speaker=3,
  )
  random = {'model': 'gru:units=8', 'data': data, 'dtype': 'float32'}
  keras.utils.set_random_seed(0)
  call(**random, output=tmp_path / 'mean', batch_size=4)
  call(**random, output=tmp_path / 'frames', per_frame='true', batch_size=7)
  means, frames = (list(records(str(tmp_path / name))) for name in ('mean', 'frames'))
  for (_, mean), (_, clip) in zip(means, frames, strict=True):
    assert clip.arrays['embedding'].shape[1:] == mean.arrays['embedding'].shape == (8,)
    np.testing.assert_allclose(
      clip.arrays['embedding'].mean(axis=0), mean.arrays['embedding'], rtol=1e-4, atol=1e-6
    )
  assert manifest_file.load(str(tmp_path / 'frames')).features[0].shape == (None, 8)


@pytest.mark.parametrize(
  ('flags', 'sentence'),
  [
    ({}, 'Name one trunk'),
    ({'run_dir': 'a', 'model': 'vgg16'}, 'Name one trunk'),
    ({'run_dir': 'a'}, 'Name --output'),
    ({'model': 'vgg16', 'output': 'x'}, 'Name --data'),
    ({'run_dir': 'a', 'output': 'x', 'strategy': 'multi_worker'}, 'by one process'),
    ({'run_dir': 'a', 'output': 'x', 'data': 'table:x.csv'}, 'Make one of these files first'),
    ({'run_dir': 'nowhere', 'output': 'x', 'data': 'x'}, 'holds no run'),
  ],
)
def test_wrong_flags_are_refused(flags, sentence):
  with pytest.raises(errors.ConfigError, match=sentence):
    call(**flags)


def test_bins_are_averaged():
  source = keras.Input((6, 5))
  x = keras.layers.Conv2D(3, 3)(keras.layers.Reshape((6, 5, 1))(source))
  outer = keras.Input((6, 5))
  trunk = keras.Model(source, x, name=anatomy.TRUNK)
  logits = keras.layers.Dense(2)(keras.layers.Flatten()(trunk(outer)))
  model = keras.Model(outer, logits)
  clips = [np.random.default_rng(i).normal(size=(6, 5)).astype(np.float32) for i in range(3)]
  wanted = np.array(trunk(np.stack(clips)))
  for per_frame, expected in ((True, wanted.mean(axis=2)), (False, wanted.mean(axis=(1, 2)))):
    embed = embedder.Embedder(model, tf.distribute.get_strategy(), per_frame=per_frame)
    assert embed.shape == expected.shape[1:]
    np.testing.assert_allclose(embed(clips), expected, rtol=1e-5, atol=1e-6)


def test_batches_that_cannot_fit_are_refused_before_anything_is_written(
  trained, tmp_path, monkeypatch
):
  monkeypatch.setattr(free_memory, 'free_bytes', lambda: 20_000)
  flags = {'run_dir': trained.path, 'output': tmp_path / 'out'}
  with pytest.raises(errors.ConfigError, match=r'--batch_size=1000 .*cnn:.* --batch_size=(\d) '):
    call(**flags, batch_size=1000)
  assert not (tmp_path / 'out').exists()
  call(**flags, batch_size=1)


def test_a_trunk_that_sums_frames_up_has_none_of_each(trained, tmp_path):
  with pytest.raises(errors.ConfigError, match='sums up all frames'):
    call(run_dir=trained.path, output=tmp_path / 'x', per_frame='true')


@pytest.mark.parametrize(('largest', 'dtype'), [(65504, 'float16'), (65600, 'float32')])
def test_embeddings_are_stored_as_they_are_up_to_the_largest(data_dir, tmp_path, largest, dtype):
  extracted(data_dir, tmp_path / 'out', [largest, -largest], dtype=dtype)
  assert all(
    clip.arrays['embedding'].tolist() == [largest, -largest]
    for _, clip in records(tmp_path / 'out')
  )


def test_embeddings_that_float16_cannot_hold_are_refused_and_not_cut_off(data_dir, tmp_path):
  sentence = 'numbers up to 65,600 for .*float16 holds them up to 65,504.* --dtype=float32'
  with pytest.raises(errors.ConfigError, match=sentence):
    extracted(data_dir, tmp_path / 'out', [1, -65600], dtype='float16')
  assert not (tmp_path / 'out' / naming.MANIFEST).exists()


def test_of_two_that_extract_at_once_the_second_is_refused(data_dir, tmp_path):
  with lock.held(str(tmp_path / 'out')):
    with pytest.raises(errors.ConfigError, match='Another command is writing to --output='):
      extracted(data_dir, tmp_path / 'out', [1, 2], dtype='float16')
    assert os.listdir(tmp_path / 'out') == [lock.FILE]
  extracted(data_dir, tmp_path / 'out', [1, 2], dtype='float16')
  assert lock.FILE not in os.listdir(tmp_path / 'out')


def extracted(data_dir, output, values, *, dtype):
  """Writes a data set whose every embedding are the same values."""
  found = manifest_file.load(data_dir)
  asked = extraction.Extraction(
    data_dir=data_dir,
    dataset=found,
    data_sha256='0' * 64,
    feature=found.features[0],
    embedding=embedder.spec((len(values),), dtype, trunk='1' * 64, model='toy'),
    output=str(output),
    origin={'trunk': '1' * 64},
  )
  one = np.array(values, np.float32)
  return extraction.extract(
    asked, lambda clips: [one for _ in clips], batch_size=4, say=lambda line: None
  )
