"""Caches: the same batches, and sentences where they do not fit."""

import os
import pathlib

import pytest
import tensorflow as tf

from schemas import errors
from tests.helpers import datasets
from tfrecords.pipeline import (
  batch_request,
  caches,
  dataset,
  local_copies,
  order,
  stores,
)
from tfrecords.resources import free_memory


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  return str(tmp_path_factory.mktemp('stores'))


@pytest.fixture(scope='module', params=['fixed', 'any length'])
def made(request, data_dir):
  if request.param == 'fixed':
    more = {}
  else:
    more = {'features': (datasets.VARIABLE_LOG_MEL,), 'audio': datasets.VARIABLE_AUDIO}
  return datasets.write_dataset(data_dir, clips_per_speaker=12, num_shards={'train': 3}, **more)


def read(data_dir, made, cache, count=30, **more):
  asked = batch_request.BatchRequest(
    data_dir=str(data_dir), manifest=made, split='train', feature_names=['log_mel'], batch_size=5,
    shuffle=True, repeat=True, seed=3, with_ids=True, cache=cache, **more,
  )  # fmt: skip
  batches = dataset.read_batches(asked)
  found = list(batches.take(count).as_numpy_iterator())
  return [(batch['id'].tolist(), batch['log_mel'].tobytes()) for batch in found]


@pytest.mark.parametrize('cache', [caches.MEMORY, caches.DISK])
def test_a_cache_changes_no_batch(data_dir, made, cache, tmp_path):
  plain = read(data_dir, made, caches.NONE)
  assert read(data_dir, made, cache, cache_dir=str(tmp_path / 'copies')) == plain
  resumed = read(data_dir, made, cache, 13, cache_dir=str(tmp_path / 'copies'), start_step=17)
  assert resumed == plain[17:]


def test_what_is_in_memory_is_read_once(tmp_path):
  made = datasets.write_dataset(tmp_path)
  asked = batch_request.BatchRequest(
    data_dir=str(tmp_path), manifest=made, split='train', feature_names=['log_mel'], batch_size=5,
    shuffle=True, repeat=True, seed=3, cache=caches.MEMORY,
  )  # fmt: skip
  batches = dataset.read_batches(asked)
  for shard in made.shards_of('train'):
    (tmp_path / shard.file_name).unlink()
  assert sum(1 for _ in batches.take(20)) == 20


def test_too_little_memory_is_said(data_dir, made, monkeypatch):
  monkeypatch.setattr(free_memory, 'free_bytes', lambda: 10_000)
  sentence = r"needs 0.00 GB for the split 'train', and 0.00 GB are free\. .*--cache=disk"
  with pytest.raises(errors.DatasetError, match=sentence):
    read(data_dir, made, caches.MEMORY)
  monkeypatch.setattr(free_memory, 'free_bytes', lambda: None)
  assert read(data_dir, made, caches.MEMORY, 1)


def test_copies_are_made_once_and_shared(tmp_path):
  made = datasets.write_dataset(tmp_path / 'data')
  shards = dataset.shards_of(made, 'train')
  paths = [str(tmp_path / 'data' / shard.file_name) for shard in shards]
  folder = str(tmp_path / 'copies')
  copies = local_copies.fetch(paths, shards, folder)
  assert [pathlib.Path(copy).read_bytes() for copy in copies] == [
    pathlib.Path(path).read_bytes() for path in paths
  ]
  before = [os.stat(copy).st_ino for copy in copies]
  # One is cut off, as by a full disk of another program: it is fetched again.
  pathlib.Path(copies[1]).write_bytes(b'half')
  again = local_copies.fetch(paths, shards, folder)
  assert again == copies
  assert os.stat(copies[0]).st_ino == before[0]
  assert os.path.getsize(copies[1]) == shards[1].num_bytes
  assert len(os.listdir(folder)) == len(shards), 'no temporary file stays'


def test_a_shard_that_changed_is_not_copied(tmp_path):
  made = datasets.write_dataset(tmp_path / 'data')
  shards = dataset.shards_of(made, 'train')
  paths = [str(tmp_path / 'data' / shard.file_name) for shard in shards]
  content = bytearray(pathlib.Path(paths[0]).read_bytes())
  content[50] ^= 1
  pathlib.Path(paths[0]).write_bytes(content)
  with pytest.raises(errors.DatasetError, match='not what the manifest says: its digest differs'):
    local_copies.fetch(paths, shards, str(tmp_path / 'copies'))
  assert not [name for name in os.listdir(tmp_path / 'copies') if '00000-of' in name]


def test_a_disk_that_is_too_small_or_no_folder_is_said(tmp_path, monkeypatch):
  made = datasets.write_dataset(tmp_path / 'data')
  shards = dataset.shards_of(made, 'train')
  paths = [str(tmp_path / 'data' / shard.file_name) for shard in shards]
  (tmp_path / 'file').write_text('')
  with pytest.raises(errors.DatasetError, match=r"Could not copy .*file': .*--cache=none"):
    local_copies.fetch(paths, shards, str(tmp_path / 'file'))
  usage = local_copies.shutil._ntuple_diskusage(10, 10, 10)
  monkeypatch.setattr(local_copies.shutil, 'disk_usage', lambda path: usage)
  with pytest.raises(errors.DatasetError, match=r'0\.00 GB are free there\. Name a folder on a la'):
    local_copies.fetch(paths, shards, str(tmp_path / 'copies'))


def test_from_far_away_all_shards_of_a_group_are_read_at_once(tmp_path):
  made = datasets.write_dataset(tmp_path)
  shards = dataset.shards_of(made, 'train')
  places = [str(tmp_path / shard.file_name) for shard in shards]
  near = stores.make(caches.NONE, stores.whole(places, shards))
  places = [f'gs://data/{shard.file_name}' for shard in shards]
  far = stores.make(caches.NONE, stores.whole(places, shards))
  assert (near.num_readers, far.num_readers) == (tf.data.AUTOTUNE, order.CYCLE_SHARDS)
