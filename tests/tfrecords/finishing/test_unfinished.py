import json
import pickle

import numpy as np
import pytest

from schemas import errors, naming, record
from schemas.manifest import ShardInfo
from schemas.rejects import Reject
from tests.helpers import tiny_manifest
from tfrecords import manifest_file, storage, writer
from tfrecords.finishing import moments, shard_result, unfinished

TRAIN = 'tiny-train.tfrecord-00000-of-00001'


@pytest.fixture
def dataset(tmp_path):
  """A data set in the making, as a worker has it."""
  made = pickle.loads(pickle.dumps(unfinished.Unfinished(str(tmp_path))))
  made.notes.make_folder()
  return made


def written(dataset, file_name=TRAIN, *, records=(b'a', b'b'), speakers=('jo',), values=(1.0,)):
  with writer.ShardWriter(dataset.path(file_name)) as shard:
    shard.write(records)
  return shard_result.ShardResult(
    info=ShardInfo(
      file_name=file_name,
      num_records=len(records),
      num_bytes=shard.num_bytes,
      sha256=shard.sha256,
      num_speakers=len(speakers),
      label_counts=(len(records),),
      audio_s=0.1,
    ),
    speakers=tuple(speakers),
    moments={'log_mel': moments.Moments.of(np.array([values], np.float32).T, 1)},
    rejects=(Reject(utterance_id='c', uri='c.wav', reason='empty', detail='No bytes.'),),
  )


def test_a_shard_is_taken_over_with_all_that_was_noted(dataset):
  result = written(dataset, values=(0.1, 0.2, 0.7))
  dataset.note_shard('key', result, seen=['x'])
  taken, note = dataset.earlier_shard(TRAIN)
  assert taken.to_json() == result.to_json()  # Every bit: these are float64.
  assert (note['key'], note['seen']) == ('key', ['x'])
  assert dataset.is_whole(taken)
  assert dataset.earlier_shard(TRAIN.replace('train', 'test')) is None


def damage(path):
  path.write_bytes(path.read_bytes()[:-1])


def add_foreign_note(path):
  note = path.parent / '.voxshard' / f'{TRAIN}.json'
  note.write_text(json.dumps({'key': 'key', 'info': 3}))


@pytest.mark.parametrize('harm', [damage, lambda path: path.unlink(), add_foreign_note])
def test_a_shard_that_is_not_whole_is_not_taken_over(dataset, tmp_path, harm):
  dataset.note_shard('key', written(dataset))
  harm(tmp_path / TRAIN)
  earlier = dataset.earlier_shard(TRAIN)
  assert earlier is None or not dataset.is_whole(earlier[0])


def test_a_note_that_was_cut_is_none(dataset, tmp_path):
  dataset.note_shard('key', written(dataset))
  damage(tmp_path / '.voxshard' / f'{TRAIN}.json')
  damage(tmp_path / '.voxshard' / f'{TRAIN}.json')
  assert dataset.earlier_shard(TRAIN) is None


def test_the_end_removes_what_is_stale_and_writes_the_manifest(dataset, tmp_path):
  manifest = tiny_manifest.of(counts={'train': (2, 0, 0)})
  for name in (TRAIN, 'tiny-train.tfrecord-00000-of-00002', f'{TRAIN}.tmp-0123', 'mine.txt'):
    (tmp_path / name).write_bytes(b'x')
  dataset.finish(manifest)
  assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
    ['.voxshard', 'manifest.json', 'mine.txt', TRAIN]
  )
  assert manifest_file.load(str(tmp_path)) == manifest
  for name in naming.TFDS_FILES:
    (tmp_path / name).write_bytes(b'x')
  dataset.forget_manifest()
  dataset.forget_manifest()  # Another worker may be quicker.
  assert sorted(path.name for path in tmp_path.iterdir()) == ['.voxshard', 'mine.txt', TRAIN]


def test_leftovers_go_and_nothing_else(dataset, tmp_path):
  kept = [tmp_path / 'manifest.json', tmp_path / 'mine.tmp-1', tmp_path / '.voxshard/x.json']
  gone = [tmp_path / f'{TRAIN}.tmp-1', tmp_path / '.voxshard/x.json.tmp-1']
  for path in kept + gone:
    path.write_text('')
  dataset.remove_leftovers()
  assert all(path.exists() for path in kept) and not any(path.exists() for path in gone)


def test_all_goes_but_what_is_not_named(dataset, tmp_path):
  for name in (TRAIN, 'manifest.json', 'mine.txt', '.voxshard/settings.json'):
    (tmp_path / name).write_text('')
  dataset.remove_all([TRAIN, 'manifest.json', '.voxshard', 'rejects.jsonl'])
  assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_no_room_is_said_before_and_what_is_there_needs_none(dataset, tmp_path, monkeypatch):
  monkeypatch.setattr(storage, 'free_bytes', lambda path: 1_000)
  dataset.check_room([TRAIN], 1_100)
  with pytest.raises(errors.DatasetError, match=r'needs about 1,200 bytes more, 1,000 bytes are'):
    dataset.check_room([TRAIN], 1_200)
  (tmp_path / TRAIN).write_bytes(bytes(200))
  dataset.check_room([TRAIN], 1_200)
  monkeypatch.setattr(storage, 'free_bytes', lambda path: None)
  dataset.check_room([], 1 << 60)


def test_rejects_are_lines_with_advice(dataset, tmp_path):
  dataset.write_rejects([Reject(utterance_id='é', uri='a.wav', reason='empty', detail='No bytes.')])
  (line,) = (tmp_path / 'rejects.jsonl').read_text(encoding='utf-8').splitlines()
  assert json.loads(line)['advice'].startswith('The file has zero bytes') and 'é' in line


def test_the_statistics_are_of_all_train_shards_and_no_other(dataset):
  spec = record.FeatureSpec(name='log_mel', shape=(2, 1), dtype='float16', settings={})
  test = written(dataset, TRAIN.replace('train', 'test'), speakers=('al',), values=(9.0,))
  first = written(dataset, 'tiny-train.tfrecord-00000-of-00002', speakers=('jo',), values=(1, 2))
  second = written(dataset, 'tiny-train.tfrecord-00001-of-00002', speakers=('jo', 'y'), values=(6,))
  found = shard_result.statistics([first, second, test], [spec])['log_mel']
  assert (found.count, found.mean, found.variance) == (3, (3.0,), pytest.approx((14 / 3,)))
  assert shard_result.speakers_by_split([first, second, test]) == {
    'train': {'jo', 'y'},
    'test': {'al'},
  }
  assert shard_result.statistics([test], [spec]) == {}
