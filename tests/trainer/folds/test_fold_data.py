"""A fold is the data set that the data job would have written for a corpus split so."""

import dataclasses
import functools
import json
import os

import numpy as np
import pytest
import tensorflow as tf

from schemas import errors, splits
from tests.helpers import datasets, wav_files
from tfrecords import examples, manifest_file, reader, shard_files, verify, writer
from tfrecords.pipeline import caches
from tfrecords.pipeline import dataset as dataset_lib
from trainer import config as config_lib
from trainer import run
from trainer.baselines import pooled_split, pooling
from trainer.data import datasets as data_sets
from trainer.data import fold_view, named_data, record_moments
from trainer.folds import fold_flag, fold_plan, record_groups
from trainer.runs import cv_folder, saved_run

SPEAKERS = {
  'train': ('ada', 'bob', 'cyd', 'dan', 'eli'),
  'validation': ('eve', 'fay'),
  'test': ('gus', 'hal'),
}


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  """A data set of nine voices, of which those of the train split have copies."""
  path = str(tmp_path_factory.mktemp('source') / 'tiny')
  datasets.write_dataset(path, speakers=SPEAKERS, clips_per_speaker=7, copies=1)
  return path


@pytest.fixture(scope='module')
def folder(source, tmp_path_factory):
  """The folder with four folds of it."""
  made = cv_folder.CvFolder(str(tmp_path_factory.mktemp('cv')))
  fold_plan.write(made, fold_plan.divide(data_sets.load(source), 'speaker:4'))
  return made


@pytest.fixture(scope='module')
def real(folder, tmp_path_factory):
  """The first fold, as files of its own: what a data job makes of a corpus that is split so."""
  path, view = str(tmp_path_factory.mktemp('real')), fold_view.load(folder.data(0))
  manifest = manifest_file.load(folder.data(0))
  shards = []
  for shard in manifest.shards:
    found = view.excerpts[shard.file_name]
    records = list(reader.read_records(found.path))
    with writer.ShardWriter(os.path.join(path, shard.file_name)) as out:
      out.write([one for one, is_in in zip(records, found.is_taken, strict=True) if is_in])
    assert (out.num_records, out.num_bytes) == (shard.num_records, shard.num_bytes)
    shards.append(dataclasses.replace(shard, sha256=out.sha256))
  manifest_file.save(dataclasses.replace(manifest, shards=tuple(shards)), path)
  return path


def request(data_dir, split, **changes):
  manifest, _ = named_data.load(data_dir)
  asked = dict.fromkeys(('with_ids', 'with_origins'), True)
  return dataclasses.replace(
    dataset_lib.batch_request.BatchRequest(
      data_dir=data_dir,
      manifest=manifest,
      split=split,
      feature_names=('log_mel',),
      batch_size=8,
    ),
    **{**asked, **changes},
  )


@functools.lru_cache(maxsize=12)
def clips(data_dir, split):
  """Returns all records of a split, as baselines read them: without TensorFlow."""
  asked = request(data_dir, split)
  return list(examples.records(named_data.located(asked)))


def test_the_originals_of_a_voice_are_judged_and_the_train_part_has_copies(folder):
  judged = []
  for number in range(4):
    found = {split: clips(folder.data(number), split) for split in splits.SPLITS}
    train, validation, test = ({c.speaker_id for c in found[split]} for split in splits.SPLITS)
    assert not train & validation and not train & test and not validation & test
    for split in (splits.VALIDATION, splits.TEST):
      assert {clip.augmentation for clip in found[split]} == {''}
    assert {clip.augmentation for clip in found['train']} == {'', 'gain'}
    judged += [clip.utterance_id for clip in found['test']]
  wanted = {name for split in SPEAKERS for name in SPEAKERS[split]}
  assert len(judged) == len(set(judged)) == 7 * len(wanted)


def test_a_repetition_for_balance_is_a_copy_as_well(tmp_path, monkeypatch):
  changed = datasets._copies

  def repeated(*args):
    return (dataclasses.replace(copy, augmentation='') for copy in changed(*args))

  monkeypatch.setattr(datasets, '_copies', repeated)
  path = str(tmp_path / 'balanced')
  datasets.write_dataset(path, speakers=SPEAKERS, clips_per_speaker=7, copies=1)
  found = record_groups.find(path, named_data.load(path)[0], fold_flag.parse('speaker:4'))
  assert found.is_copy.sum() == 7 * len(SPEAKERS['train'])
  assert [sum(counts.values()) for counts in found.counts] == [7] * 9


def test_the_manifest_of_a_fold_counts_its_own_records(folder):
  for number in range(4):
    manifest = manifest_file.load(folder.data(number))
    for split in splits.SPLITS:
      found = clips(folder.data(number), split)
      assert manifest.num_records(split) == len(found)
      labels = np.bincount([clip.label for clip in found], minlength=3)
      assert manifest.label_counts(split) == tuple(labels)
      voices = sorted({clip.speaker_id for clip in found})
      assert manifest.num_speakers[split] == len(voices)
      assert list(manifest.speakers[split]) == voices
      samples = [clip.num_samples for clip in found]
      assert manifest.length_samples(split) == (min(samples), max(samples))
      source_s = sum(clip.end_us for clip in found if not clip.augmentation) / 1e6
      assert manifest.seconds(split) == pytest.approx((sum(samples) / 8_000, source_s))


def test_statistics_are_those_of_the_train_part_alone(source, monkeypatch, tmp_path):
  monkeypatch.setattr(record_moments, 'CHUNK_RECORDS', 5)
  made = cv_folder.CvFolder(str(tmp_path))
  fold_plan.write(made, fold_plan.divide(data_sets.load(source), 'speaker:4'))
  seen = set()
  for number in range(4):
    found = manifest_file.load(made.data(number)).statistics['log_mel']
    arrays = [clip.arrays['log_mel'] for clip in clips(made.data(number), splits.TRAIN)]
    values = np.concatenate(arrays).astype(float)
    assert found.count == len(values)
    np.testing.assert_allclose(found.mean, values.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(found.variance, values.var(axis=0), rtol=1e-6)
    seen.add(found.mean)
  assert len(seen) == 4


@pytest.mark.parametrize(
  'changes',
  [
    {},
    {'shuffle': True, 'repeat': True, 'seed': 3},
    {'shuffle': True, 'repeat': True, 'seed': 3, 'start_step': 5},
    {'shuffle': True, 'repeat': True, 'seed': 3, 'balanced': 8},
    {'shuffle': True, 'repeat': True, 'cache': caches.MEMORY, 'balanced': 8, 'start_step': 2},
    {'shuffle': True, 'repeat': True, 'cache': caches.MEMORY},
  ],
)
def test_a_fold_is_read_as_files_of_its_own_would_be(folder, real, changes):
  pairs = zip(
    named_data.read_batches(request(folder.data(0), 'train', **changes)).take(20),
    named_data.read_batches(request(real, 'train', **changes)).take(20),
    strict=True,
  )
  count = 0
  for one, other in pairs:
    tf.nest.map_structure(np.testing.assert_array_equal, dict(one), dict(other))
    count += 1
  assert count >= 6


def test_copies_on_a_disk_are_whole_files_that_folds_share(folder, source, real, tmp_path):
  asked = {'shuffle': True, 'cache': caches.DISK, 'cache_dir': str(tmp_path)}
  for number in range(2):
    list(named_data.read_batches(request(folder.data(number), 'train', **asked)))
  wanted = {shard.sha256[:16] for shard in manifest_file.load(source).shards}
  assert {name[:16] for name in os.listdir(tmp_path)} <= wanted
  ids = [
    [
      batch['id'].numpy().tolist()
      for batch in named_data.read_batches(request(where, 'train', **c))
    ]
    for where, c in ((folder.data(0), asked), (real, {'shuffle': True}))
  ]
  assert ids[0] == ids[1]


def test_a_fold_is_pooled_as_files_of_its_own_would_be(folder, real):
  found = [
    pooled_split.read(request(where, 'train'), pooling.Pooling())
    for where in (folder.data(0), real)
  ]
  np.testing.assert_array_equal(found[0][0], found[1][0])
  np.testing.assert_array_equal(found[0][1], found[1][1])


def test_a_run_on_a_fold_is_that_on_a_data_set_which_was_split_so(folder, real, tmp_path):
  losses = []
  for name, data in (('fold', folder.data(0)), ('real', real)):
    asked = config_lib.TrainConfig(
      data=data,
      model='linear',
      epochs=2,
      batch_size=16,
      run_dir=str(tmp_path / name),
      class_weights='balanced',
      test=False,
    )
    run.train(asked)
    history = json.loads((tmp_path / name / 'history.json').read_text())
    losses.append([(one['train']['loss'], one['validation']['loss']) for one in history])
  assert losses[0] == losses[1]
  assert saved_run.load(str(tmp_path / 'fold')).data_dir == folder.data(0)


def test_files_of_which_nothing_belongs_to_a_split_are_not_opened(tmp_path):
  datasets.write_dataset(
    tmp_path / 'data', speakers={'train': ('ada', 'bob', 'cyd')}, num_shards={'train': 3}
  )
  made = cv_folder.CvFolder(str(tmp_path / 'cv'))
  fold_plan.write(made, fold_plan.divide(data_sets.load(str(tmp_path / 'data')), 'speaker:all'))
  view = fold_view.load(made.data(1))
  assert view.fold.shards == {'train': [0], 'validation': [2], 'test': [1]}
  assert all(one.is_whole for one in view.excerpts.values())


def test_other_programs_are_told_where_the_records_are(folder):
  manifest = manifest_file.load(folder.data(0))
  with pytest.raises(errors.DatasetError, match='is a fold of a data set: its records lie where'):
    shard_files.check(folder.data(0), manifest, ['train'])
  with pytest.raises(errors.DatasetError, match='for other programs name the data set itself'):
    verify.find_problems(folder.data(0), manifest)


def test_a_data_set_that_changed_is_refused(source, tmp_path):
  data = tmp_path / 'data'
  datasets.write_dataset(data, clips_per_speaker=3)
  made = cv_folder.CvFolder(str(tmp_path / 'cv'))
  fold_plan.write(made, fold_plan.divide(data_sets.load(str(data)), 'speaker:3'))
  named_data.check_shards(made.data(0), manifest_file.load(made.data(0)))
  datasets.write_dataset(data, clips_per_speaker=4)
  fold_view._load.cache_clear()
  with pytest.raises(errors.DatasetError, match='is another now than when it was divided'):
    named_data.check_shards(made.data(0), manifest_file.load(made.data(0)))
  os.remove(os.path.join(made.data_dir, fold_view.ROLES))
  with pytest.raises(errors.DatasetError, match='is no whole fold'):
    fold_view.load(made.data(1))


def test_the_same_data_set_is_divided_into_the_same_bytes(source, folder, tmp_path):
  again = cv_folder.CvFolder(str(tmp_path))
  fold_plan.write(again, fold_plan.divide(data_sets.load(source), 'speaker:4'))
  for path, _, names in os.walk(folder.data_dir):
    for name in names:
      other = os.path.join(again.data_dir, os.path.relpath(path, folder.data_dir), name)
      with open(os.path.join(path, name), 'rb') as one, open(other, 'rb') as two:
        assert one.read() == two.read(), name


def test_raw_files_are_divided_by_their_table_and_nothing_else_is_written(tmp_path):
  rows = ['path,label,speaker']
  for voice in ('ada', 'bob', 'cyd', 'dan'):
    for take in range(4):
      name = f'{voice}_{take}.wav'
      (tmp_path / name).write_bytes(wav_files.pcm16(wav_files.int16_noise(800)))
      rows.append(f'{name},{("no", "yes")[take % 2]},{voice}')
  (tmp_path / 'clips.csv').write_text('\n'.join(rows) + '\n')
  path = f'table:{tmp_path}/clips.csv'
  whole = data_sets.load(path, clip_s=0.1)
  made = cv_folder.CvFolder(str(tmp_path / 'cv'))
  fold_plan.write(made, fold_plan.divide(whole, 'speaker:all'))
  judged = []
  for number, voice in enumerate(('ada', 'bob')):
    data = data_sets.load(made.data(number), compute='log_mel')
    named_data.check_shards(data.path, data.manifest)
    assert data.feature.name == 'waveform'
    assert data.manifest.labels == ('no', 'yes')
    found = {}
    for split in splits.SPLITS:
      asked = request(data.path, split, feature_names=('waveform',))
      batches = [dict(batch) for batch in named_data.read_batches(asked)]
      found[split] = {one.decode() for batch in batches for one in batch['speaker'].numpy()}
      named_data.check_count(
        sum(len(batch['label']) for batch in batches), data.manifest, split, data_dir=data.path
      )
      if split == splits.TEST:
        judged += [one for batch in batches for one in batch['id'].numpy().tolist()]
    assert found['test'] == {voice}
    assert not found['train'] & (found['validation'] | found['test'])
  assert len(judged) == len(set(judged)) == 8
  with pytest.raises(errors.ConfigError, match=r"nothing is known but labels and voices, .*'take'"):
    fold_plan.divide(whole, 'field:take:2')
