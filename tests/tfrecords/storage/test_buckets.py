"""The data job in a bucket: the local disk under another scheme stands for it."""

import pytest

from beam_jobs import featurize
from beam_jobs.shards import loading, reading
from features.decoding import clips
from schemas import command
from tests.beam_jobs import corpora
from tests.helpers import bucket


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
  assert list(loading.map_ahead(lambda item: item * 2, items, 16)) == [2 * i for i in items]


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
