"""Beam's filesystems as a Storage; Beam's local one stands for buckets, it has the same face."""

import pytest

from beam_jobs import featurize
from beam_jobs.shards import loading, reading
from features.decoding import clips
from schemas import command
from tests.beam_jobs import corpora
from tests.helpers import bucket
from tfrecords import reader, storage, writer
from tfrecords.storage import buckets


@pytest.fixture
def beam_files():
  return buckets.BeamStorage()


def test_a_shard_is_written_and_read(beam_files, tmp_path):
  folder = str(tmp_path / 'data')
  beam_files.make_dirs(folder)
  beam_files.make_dirs(folder)
  path = beam_files.join(folder, 'x-train.tfrecord-00000-of-00001')
  with writer.ShardWriter(path, beam_files) as shard:
    shard.write([b'one', b'two'])
  assert list(reader.read_records(path, beam_files)) == [b'one', b'two']
  assert beam_files.list_dir(folder) == ['x-train.tfrecord-00000-of-00001']


def test_a_file_is_replaced_whole(beam_files, tmp_path):
  path = str(tmp_path / 'note.json')
  storage.write_atomically(path, b'old', beam_files)
  storage.write_atomically(path, b'new', beam_files)
  with beam_files.open_read(path) as stream:
    assert stream.read() == b'new'
  beam_files.remove(path)
  assert not beam_files.exists(path)


def test_an_empty_folder_lists_nothing(beam_files, tmp_path):
  assert beam_files.list_dir(str(tmp_path)) == []


def test_local_paths_do_without_beam():
  assert buckets.storage_of('/data') is storage.LOCAL
  assert isinstance(buckets.storage_of('gs://bucket/data'), buckets.BeamStorage)


@pytest.mark.parametrize(
  ('content', 'reason'), [(None, 'missing'), (b'', 'empty')], ids=['missing', 'empty']
)
def test_what_a_bucket_lacks_is_a_reject(tmp_path, content, reason):
  path = tmp_path / 'x.wav'
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(clips.ClipError) as error:
    reading.read(f'{bucket.SCHEME}:/{path}')
  assert error.value.reason == reason


def test_a_bucket_gives_the_bytes_of_a_file(tmp_path):
  path = tmp_path / 'x.wav'
  corpora.write_wav(path)
  assert reading.read(f'{bucket.SCHEME}:/{path}') == path.read_bytes()


def test_clips_come_in_order_however_many_threads_read(tmp_path):
  items = list(range(200))
  assert list(loading._map_ahead(lambda item: item * 2, items, 16)) == [2 * i for i in items]


def test_the_job_reads_from_and_writes_to_a_bucket(tmp_path, capfd, monkeypatch):
  (tmp_path / 'cwd').mkdir()
  monkeypatch.chdir(tmp_path / 'cwd')
  corpora.make_words(tmp_path / 'in')
  argv = corpora.argv(tmp_path / 'in', tmp_path / 'here')
  assert command.run(featurize.main, argv) == 0
  there = [word.replace(f'={tmp_path}', f'={bucket.SCHEME}:/{tmp_path}') for word in argv]
  there = [word.replace('/here', '/there') for word in there]
  assert command.run(featurize.main, there) == 0
  shards = sorted((tmp_path / 'here').glob('*.tfrecord-*'))
  assert shards
  for shard in shards:
    assert (tmp_path / 'there' / shard.name).read_bytes() == shard.read_bytes()
  # The same command again takes over what is there.
  assert command.run(featurize.main, there) == 0
  # And other settings are refused.
  assert command.run(featurize.main, [*there, '--seed=3']) == 2
  assert 'seed was 0, now 3' in capfd.readouterr().err
  assert command.run(featurize.main, [*there, '--seed=3', '--overwrite']) == 0
  # Nothing took the bucket's name for a local path.
  assert not list((tmp_path / 'cwd').iterdir())
