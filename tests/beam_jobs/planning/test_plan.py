"""The order in which shards are dealt to workers."""

import pytest

from beam_jobs import featurize
from beam_jobs.shards import shard
from schemas import command
from tests.beam_jobs import corpora
from tfrecords import manifest_file


def shards_in_the_order_of_writing(monkeypatch, arguments):
  written = []
  write_shard = shard.write_shard

  def noting(path, *args, **kwargs):
    result = write_shard(path, *args, **kwargs)
    written.append(result.info)
    return result

  monkeypatch.setattr(shard, 'write_shard', noting)
  assert command.run(featurize.main, arguments) == 0
  return written


@pytest.mark.parametrize('more', [(), ('--augment=gain', '--augment_copies=3')])
def test_the_local_runner_is_given_the_largest_shards_first(tmp_path, monkeypatch, more):
  corpus = tmp_path / 'corpus'
  for speaker in range(9):
    for take in range(1 + 3 * speaker):
      corpora.write_wav(corpus / f'yes/s{speaker}_{take}.wav', seed=take)
  arguments = corpora.argv(
    corpus,
    tmp_path / 'data',
    '--min_train_shards=4',
    '--split_by=speaker:test=s3,validation=s5',
    *more,
  )
  written = shards_in_the_order_of_writing(monkeypatch, arguments)
  assert {info.file_name for info in written} == {
    info.file_name for info in manifest_file.load(str(tmp_path / 'data')).shards
  }
  counts = [info.num_records for info in written]
  assert counts == sorted(counts, reverse=True) and len(set(counts)) > 2


def test_a_shard_that_no_clip_is_hashed_to_is_written_too(tmp_path, monkeypatch):
  # One speaker, whose clips are so large that each is a shard, on the average.
  corpus = tmp_path / 'corpus'
  for take in range(8):
    corpora.write_wav(corpus / f'yes/one_{take}.wav', seed=take)
  large = ('--clip_seconds=70', '--feature=waveform', '--shard_mib=1')
  written = shards_in_the_order_of_writing(
    monkeypatch, corpora.argv(corpus, tmp_path / 'data', *large)
  )
  counts = [info.num_records for info in written]
  assert sum(counts) == 8 and 0 in counts
