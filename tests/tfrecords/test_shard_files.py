"""Shards that are not those of the manifest are named before anything is read of them."""

import pytest

from schemas import errors
from tests.helpers import datasets
from tests.tfrecords.storage import storages
from tfrecords import shard_files


@pytest.fixture
def made(tmp_path):
  return datasets.write_dataset(tmp_path)


def cut(path):
  path.write_bytes(path.read_bytes()[:-30])


def lengthened(path):
  path.write_bytes(path.read_bytes() + b'x')


@pytest.mark.parametrize('change', [cut, lengthened])
def test_a_shard_of_another_length_is_named(made, tmp_path, change):
  shards = [shard.file_name for shard in made.shards]
  shard_files.check(str(tmp_path), made, ['train', 'test'])
  change(tmp_path / shards[1])
  with pytest.raises(errors.DatasetError, match=rf'{shards[1]!r} in .* bytes, the manifest says'):
    shard_files.check(str(tmp_path), made, ['train'])
  shard_files.check(str(tmp_path), made, ['test'])
  change(tmp_path / shards[0])
  with pytest.raises(
    errors.DatasetError, match=rf'{shards[0]!r} in .* .and 1 more are not as it says.\. It'
  ):
    shard_files.check(str(tmp_path), made, ['train', 'test'])


def test_missing_shards_are_counted(made, tmp_path):
  for shard in made.shards_of('train'):
    (tmp_path / shard.file_name).unlink()
  first = made.shards[0].file_name
  sentence = rf"2 of 2 shards of the split 'train' are not in .*, the first is '{first}'"
  with pytest.raises(errors.DatasetError, match=sentence):
    shard_files.check(str(tmp_path), made, ['train'])
  with pytest.raises(errors.DatasetError, match='2 of 3 shards are not in'):
    shard_files.check(str(tmp_path), made, ['train', 'test'])
  with pytest.raises(errors.DatasetError, match='3 of 3 shards are not in'):
    shard_files.check(str(tmp_path / 'no'), made, ['train', 'test'])


def test_a_bucket_is_asked_once(made, tmp_path):
  there = storages.MemoryStorage()
  for shard in made.shards:
    there.files[f'gs://b/d/{shard.file_name}'] = bytes(shard.num_bytes)
  shard_files.check('gs://b/d', made, ['train', 'test'], there)
  there.files[f'gs://b/d/{made.shards[0].file_name}'] = b''
  with pytest.raises(errors.DatasetError, match='has 0 bytes, the manifest says'):
    shard_files.check('gs://b/d', made, ['train', 'test'], there)
