"""The rulers of reading and training: all contenders read the same clips, the tables are filled."""

import collections
import itertools
import sys

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import features
from benchmarks import augmentations, clips, input_pipeline, train_step, transfer
from schemas import audio as audio_lib
from schemas import errors
from tfrecords import manifest_file, verify
from trainer.devices import allocator


@pytest.fixture(scope='module')
def root(tmp_path_factory):
  path = tmp_path_factory.mktemp('clips')
  clips.write(path / 'ours', 320, num_shards=16)
  clips.write(path / 'linked', 640, num_shards=32, num_files=2)
  return path


def test_the_made_up_data_sets_are_whole(root):
  verify.main([str(root / 'ours')])
  linked = manifest_file.load(str(root / 'linked'))
  assert (linked.num_records('train'), len(linked.shards)) == (640, 32)


@pytest.fixture(scope='module')
def contenders(root):
  float_lists = input_pipeline.write_float_lists(root / 'ours', root / 'float_lists')
  return input_pipeline.passes(str(root / 'ours'), float_lists)


def test_every_contender_reads_every_clip(contenders):
  sums = {}
  for name in (input_pipeline.OURS, input_pipeline.OURS_MIXED, input_pipeline.TUTORIAL):
    found = [
      (batch['log_mel'], batch['label']) if isinstance(batch, dict) else batch
      for batch in contenders[name]()
    ]
    arrays = np.concatenate([array.numpy().astype('f4') for array, _ in found])
    assert arrays.shape == (320, 98, 80)
    labels = collections.Counter(np.concatenate([labels.numpy() for _, labels in found]).tolist())
    sums[name] = (labels, sorted(arrays[:, 3, 5].tolist()))
  assert sums[input_pipeline.OURS] == sums[input_pipeline.OURS_MIXED]
  assert sums[input_pipeline.OURS] == sums[input_pipeline.TUTORIAL]
  for name in (input_pipeline.BARE, input_pipeline.BARE_MIXED):
    assert sum(len(batch) for batch in contenders[name]()) == 320


def test_the_tables_have_a_row_for_each(root, contenders):
  rows = input_pipeline.compare(contenders, num_clips=320, repeats=1)
  assert [row.split('|')[1].strip() for row in rows] == list(contenders)
  folders = {640: str(root / 'linked'), 320: str(root / 'ours')}
  rows = input_pipeline.compare_sizes(folders, steps=2, repeats=1)
  assert [row.split('|')[1].strip() for row in rows] == ['640', '320']


def test_real_and_made_up_steps_take_turns(root):
  compiled = train_step.make_steps('cnn:conv_layers=1,filters=2,dense_units=4', str(root / 'ours'))
  order = []

  def taker(name, random_data):
    batches = train_step.feed(str(root / 'ours'), batch_size=4, random_data=random_data)

    def take(num_steps):
      order.append((name, num_steps))
      return compiled.train(batches, num_steps)

    return take

  take = {'real': taker('real', False), 'made up': taker('made up', True)}
  rows = train_step.compare(take, num_steps=2, repeats=1)
  assert [row.split('|')[1].strip() for row in rows] == ['real', 'made up']
  assert rows[1].endswith('| 1.000 |')
  assert [name for name, num_steps in order if num_steps == 2] == [
    'made up', 'real', 'real', 'made up',
  ]  # fmt: skip


def test_freed_memory_is_kept_where_glibc_is(monkeypatch):
  assert allocator.keep_freed_memory() == (sys.platform == 'linux')
  monkeypatch.setattr(sys, 'platform', 'darwin')
  assert not allocator.keep_freed_memory()


def test_an_augmentation_has_a_cost():
  audio = audio_lib.AudioSpec()
  spec = features.spec('waveform', features.parse('waveform:dtype=float32')[1], audio)
  step = augmentations.changing('gain', spec, audio, tf.ones([2, audio.clip_samples]))
  assert not np.allclose(step(), 1)
  assert 0 <= augmentations.cost_ms(step, batch_size=2) < 1_000


def test_a_few_clips_of_a_voice_are_drawn_by_the_seed(tmp_path):
  for digit, voice, take in itertools.product('01', ('ann', 'bob'), range(8)):
    (tmp_path / f'{digit}_{voice}_{take}.wav').touch()
  found = transfer.clips_of(str(tmp_path))
  few = transfer.few_clips(found, 'ann', takes=5, seed=1)
  assert collections.Counter(few.values()) == {'train': 10, 'test': 6}
  assert {clip[1] for clip in few} == {'ann'}
  assert few == transfer.few_clips(found, 'ann', takes=5, seed=1)
  assert few != transfer.few_clips(found, 'ann', takes=5, seed=2)
  others = transfer.other_voices(found, 'ann')
  assert {clip[1] for clip in others} == {'bob'}
  assert collections.Counter(others.values()) == {'validation': 10, 'train': 6}
  with pytest.raises(errors.ConfigError, match='recordings of several voices'):
    transfer.clips_of(str(tmp_path / 'none'))


def test_the_interval_of_pairs_is_students():
  differences = [0.1, 0.3, 0.2, 0.4]
  mean, low, high = transfer.interval(differences)
  theirs = stats.ttest_rel(differences, [0] * 4).confidence_interval(0.95)
  np.testing.assert_allclose((mean, low, high), (0.25, *theirs))
  pairs = [
    {'voice': 'ann', 'seed': seed, 'transfer': 0.8 + value, 'scratch': 0.8}
    for seed, value in enumerate(differences)
  ]
  found = transfer.table(pairs)
  assert '| ann | 0: 90.0 / 80.0, 1: 110.0 / 80.0' in found
  assert '| all | 4 pairs | +25.0 |' in found
