"""Every Storage keeps the same promises: the local disk, and a bucket.

Those of gs:// and s3:// are held by tests/engines/test_buckets.py.
"""

import os
import pickle

import pytest

from schemas import errors
from tests.helpers import bucket
from tests.tfrecords.storage import storages
from tfrecords import manifest_file, reader, storage, writer
from tfrecords.storage import fsspec_bucket


@pytest.fixture(params=['local', 'bucket', 'memory'])
def place(request, tmp_path):
  """Returns a storage and a folder that is there and empty."""
  if request.param == 'memory':
    return storages.MemoryStorage(), 'folder'
  folder = f'{bucket.SCHEME}:/{tmp_path}/d' if request.param == 'bucket' else str(tmp_path / 'd')
  made = storage.storage_of(folder)
  made.make_dirs(folder)
  return made, folder


def put(files, path, data):
  with files.writing(path) as stream:
    stream.write(data)


def get(files, path):
  with files.open_read(path) as stream:
    pieces = []
    while piece := stream.read(1_000):
      pieces.append(piece)
  return b''.join(pieces)


@pytest.mark.parametrize('data', [b'', b'x', bytes(range(256)) * 10_000])
def test_what_is_written_is_read(place, data):
  files, folder = place
  put(files, files.join(folder, 'a'), data)
  assert get(files, files.join(folder, 'a')) == data


def test_names_are_listed_in_order(place):
  files, folder = place
  for name in ('b', 'c', 'a', 'B'):
    put(files, files.join(folder, name), b'x')
  assert files.list_dir(folder) == ['B', 'a', 'b', 'c']
  assert files.sizes(folder) == {'B': 1, 'a': 1, 'b': 1, 'c': 1}


def test_what_is_there_exists(place):
  files, folder = place
  put(files, files.join(folder, 'a'), b'x')
  assert files.exists(folder)
  assert files.exists(files.join(folder, 'a'))
  assert not files.exists(files.join(folder, 'b'))


def test_what_is_written_replaces_what_was_there(place):
  files, folder = place
  path = files.join(folder, 'a')
  put(files, path, b'old')
  with files.writing(path) as stream:
    stream.write(b'new')
    assert get(files, path) == b'old'
  assert files.list_dir(folder) == ['a']
  assert get(files, path) == b'new'


def test_after_an_exception_what_was_there_stays(place):
  files, folder = place
  path = files.join(folder, 'a')
  put(files, path, b'old')
  with pytest.raises(ZeroDivisionError), files.writing(path) as stream:
    stream.write(b'new')
    raise ZeroDivisionError
  assert files.list_dir(folder) == ['a']
  assert get(files, path) == b'old'


def test_of_two_that_create_a_file_the_second_is_told(place):
  files, folder = place
  path = files.join(folder, 'a')
  files.create(path, b'first')
  with pytest.raises(FileExistsError):
    files.create(path, b'second')
  assert get(files, path) == b'first'


def test_a_removed_file_is_gone(place):
  files, folder = place
  put(files, files.join(folder, 'a'), b'x')
  files.remove(files.join(folder, 'a'))
  assert not files.exists(files.join(folder, 'a'))


@pytest.mark.parametrize('act', ['open_read', 'remove'])
def test_a_missing_file_is_a_file_not_found_error(place, act):
  files, folder = place
  with pytest.raises(FileNotFoundError):
    getattr(files, act)(files.join(folder, 'no'))


def test_folders_may_be_made_twice(place):
  files, folder = place
  files.make_dirs(files.join(folder, 'x/y'))
  files.make_dirs(files.join(folder, 'x/y'))


def test_a_shard_written_there_is_read_there(place):
  files, folder = place
  path = files.join(folder, 'shard')
  with writer.ShardWriter(path, files) as shard:
    shard.write([b'one', b'two'])
  assert list(reader.read_records(path, files)) == [b'one', b'two']
  assert files.list_dir(folder) == ['shard']


def test_an_atomic_write_leaves_one_file(place):
  files, folder = place
  path = files.join(folder, 'note')
  storage.write_atomically(path, b'one', files)
  storage.write_atomically(path, b'two', files)
  assert files.list_dir(folder) == ['note']
  assert get(files, path) == b'two'


@pytest.mark.parametrize('failing', [{'fail_on_write': 1}, {'fail_at_end': True}])
def test_an_atomic_write_that_fails_leaves_nothing(failing):
  files = storages.MemoryStorage(**failing)
  with pytest.raises(OSError, match=r'No space|Permission'):
    storage.write_atomically('folder/note', b'one', files)
  assert files.files == {}


def test_a_device_or_a_pipe_is_not_replaced(tmp_path):
  pipe = tmp_path / 'pipe'
  os.mkfifo(pipe)
  with pytest.raises(PermissionError, match='would be replaced'):
    storage.write_atomically(str(pipe), b'x')
  assert pipe.is_fifo() and os.listdir(tmp_path) == ['pipe']
  for path in (str(pipe), '/dev/null', '/dev/stdout', '/dev/odd'):
    with pytest.raises(errors.ConfigError, match='is a device or a pipe'):
      storage.check_output(path)


def test_a_path_with_a_scheme_is_a_buckets():
  assert storage.storage_of('/data/set') is storage.LOCAL
  found = storage.storage_of(f'{bucket.SCHEME}://set')
  assert isinstance(found, fsspec_bucket.FsspecStorage)
  assert pickle.loads(pickle.dumps(found)).join('x', 'y') == 'x/y'


def test_the_local_storage_syncs_before_it_renames(tmp_path, monkeypatch):
  done = []
  monkeypatch.setattr(os, 'fsync', lambda descriptor: done.append('fsync'))
  replace = os.replace
  monkeypatch.setattr(os, 'replace', lambda *paths: (done.append('rename'), replace(*paths)))
  storage.write_atomically(str(tmp_path / 'note'), b'x')
  assert done == ['fsync', 'rename']


def test_no_manifest_where_a_bucket_has_none(tmp_path):
  folder = f'{bucket.SCHEME}:/{tmp_path}/no'
  with pytest.raises(errors.DatasetError, match='There is no folder'):
    manifest_file.load(folder, storage.storage_of(folder))


@pytest.mark.parametrize('path', ['s3://', 'gs://', 'diskbucket:///'])
def test_a_bucket_without_a_name_is_refused(path):
  with pytest.raises(errors.ConfigError, match='names no bucket. Write .*://BUCKET/FOLDER'):
    storage.storage_of(path)


@pytest.mark.parametrize('path', ['memory://d/x', 'file:///d/x', 'ftp://h/d/x', 'hdfs://h/x'])
def test_what_is_no_bucket_is_neither_read_nor_written(path):
  with pytest.raises(errors.ConfigError, match='reads and writes (memory|file|ftp|hdfs)://'):
    storage.storage_of(path)
