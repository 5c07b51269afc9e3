"""The same command again: what is kept, what is made anew and why, what a failed one leaves."""

import json
import os
import shutil

import pytest

from beam_jobs import featurize
from beam_jobs.output import file_state
from beam_jobs.shards import shard
from schemas import command, errors
from schemas.utterance import Utterance
from tests.beam_jobs import corpora
from tests.helpers import bucket
from tfrecords import manifest_file

# Without TensorFlow: what the launcher writes for TFDS is not what is tested here.
TFDS_FILES = ('dataset_info.json', 'features.json', 'label.labels.txt')


def run(corpus, output, *more):
  return command.run(
    featurize.main,
    corpora.argv(corpus, output, '--split_by=speaker:test=fay', '--validation_fraction=0', *more),
  )


def contents(folder):
  """Every file of a data set by name, without the job's own notes."""
  return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def corpus(tmp_path):
  return corpora.make_words(tmp_path / 'corpus', takes=1)


@pytest.fixture
def data(corpus, tmp_path, capfd):
  output = tmp_path / 'data'
  assert run(corpus, output) == 0
  for name in TFDS_FILES:
    (output / name).write_text('of the earlier run')
  capfd.readouterr()
  return output


def said(capfd):
  """What the summary says of the earlier run, whatever the width of the terminal."""
  lines = capfd.readouterr().out.splitlines()
  start = next((i for i, line in enumerate(lines) if 'earlier run' in line), None)
  end = next(i for i, line in enumerate(lines) if line.strip().startswith('rejects'))
  return ' '.join(' '.join(lines[start:end]).split()[2:]) if start is not None else ''


def replace(path, *, later_ns=1, seed=77):
  """Gives a file other audio of the same size."""
  before = path.stat()
  corpora.write_wav(path, seed=seed)
  assert path.stat().st_size == before.st_size
  os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + later_ns))


def test_a_first_run_says_nothing_of_an_earlier_one(corpus, tmp_path, capfd):
  assert run(corpus, tmp_path / 'new') == 0
  assert said(capfd) == ''


def test_a_finished_job_is_kept_as_it_is_and_says_so(corpus, data, capfd, monkeypatch):
  before = contents(data)
  monkeypatch.setattr(shard, 'write_shard', None)
  monkeypatch.setattr(featurize, '_write_tfds_metadata', None)
  assert run(corpus, data, '--tfds_metadata') == 0
  assert said(capfd) == 'all 2 shards were whole and are kept'
  assert contents(data) == before


def test_replaced_audio_of_the_same_name_and_size_is_noticed(corpus, data, tmp_path, capfd):
  for name in ('no/ann_0.wav', 'yes/ann_0.wav'):
    replace(corpus / name)
  assert run(corpus, data) == 0
  assert said(capfd) == (
    '1 of 2 shards was whole and is kept; 1 was made anew because 2 files changed'
  )
  assert run(corpus, tmp_path / 'fresh') == 0
  assert contents(data) == contents(tmp_path / 'fresh')


def test_a_file_that_was_only_touched_costs_its_shard_and_changes_nothing(corpus, data, capfd):
  before = contents(data)
  os.utime(corpus / 'no' / 'fay_0.wav')
  assert run(corpus, data) == 0
  assert said(capfd).endswith('1 was made anew because 1 file changed')
  assert {name: before[name] for name in contents(data)} == contents(data)
  # What TFDS reads is to be written again, since the manifest was away for a while.
  assert not set(TFDS_FILES) & set(contents(data))


def test_a_file_that_is_replaced_while_its_shard_is_written_is_noticed_by_the_next_run(
  corpus, tmp_path, capfd, monkeypatch
):
  write = shard.write_shard

  def and_replace(path, *args, **options):
    result = write(path, *args, **options)
    if 'test' in path:
      replace(corpus / 'no' / 'fay_0.wav')
    return result

  monkeypatch.setattr(shard, 'write_shard', and_replace)
  assert run(corpus, tmp_path / 'data') == 0
  monkeypatch.setattr(shard, 'write_shard', write)
  capfd.readouterr()
  assert run(corpus, tmp_path / 'data') == 0
  assert said(capfd).endswith('1 was made anew because 1 file changed')
  assert run(corpus, tmp_path / 'fresh') == 0
  assert contents(tmp_path / 'data') == contents(tmp_path / 'fresh')


def test_a_file_that_was_away_for_a_while_is_taken_when_it_is_back(
  corpus, tmp_path, capfd, monkeypatch
):
  write, victim = shard.write_shard, corpus / 'no' / 'fay_0.wav'

  def without(*args, **options):
    victim.rename(tmp_path / 'away.wav')
    result = write(*args, **options)
    # As if it came back after the job: at its end the state of rejected files is asked for again.
    monkeypatch.setattr(file_state, 'after_rejects', lambda *given: put_back(after_rejects(*given)))
    return result

  def put_back(states):
    (tmp_path / 'away.wav').rename(victim)
    return states

  after_rejects = file_state.after_rejects
  monkeypatch.setattr(shard, 'write_shard', without)
  assert run(corpus, tmp_path / 'data', '--max_reject_fraction=0.5') == 0
  monkeypatch.undo()
  capfd.readouterr()
  assert run(corpus, tmp_path / 'data', '--max_reject_fraction=0.5') == 0
  assert said(capfd).endswith('1 was made anew because 1 file changed')
  assert manifest_file.load(str(tmp_path / 'data')).rejects == {}


def test_a_shard_that_is_damaged_is_made_anew_and_says_so(corpus, data, capfd):
  before = contents(data)
  (victim,) = data.glob('*-test.tfrecord-*')
  victim.write_bytes(victim.read_bytes()[:-1])
  assert run(corpus, data) == 0
  assert said(capfd).endswith('1 was made anew because it was not whole any more')
  assert contents(data)[victim.name] == before[victim.name]


def test_replaced_noise_is_noticed_in_the_shards_with_copies(corpus, tmp_path, capfd):
  noise = tmp_path / 'noise' / 'hum.wav'
  corpora.write_wav(noise, seconds=2)
  flags = f'--augment=background_noise:folder={noise.parent}', '--augment_copies=1'
  assert run(corpus, tmp_path / 'data', *flags) == 0
  before = noise.stat()
  corpora.write_wav(noise, seconds=2, seed=5)
  os.utime(noise, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
  capfd.readouterr()
  assert run(corpus, tmp_path / 'data', *flags) == 0
  assert said(capfd) == (
    '1 of 2 shards was whole and is kept; 1 was made anew because 1 file changed'
  )


def test_an_object_that_is_replaced_in_a_bucket_is_noticed(corpus, tmp_path, capfd):
  place = f'{bucket.SCHEME}:/{corpus}'
  assert run(place, tmp_path / 'data') == 0
  capfd.readouterr()
  assert run(place, tmp_path / 'data') == 0
  assert said(capfd) == 'all 2 shards were whole and are kept'
  replace(corpus / 'yes' / 'fay_0.wav', later_ns=10**9)
  assert run(place, tmp_path / 'data') == 0
  assert said(capfd).endswith('1 was made anew because 1 file changed')


def test_states_tell_what_was_listed_and_what_nobody_can_tell(tmp_path):
  files = {f'{bucket.SCHEME}:/{tmp_path}/a.wav': '', 'nothing://b': '', str(tmp_path / 'c'): ''}
  (tmp_path / 'a.wav').write_bytes(b'x')
  before = file_state.states(files)
  assert len(before) == 24
  assert file_state.num_changed(before, file_state.states(files)) == 1  # nothing://
  (tmp_path / 'a.wav').write_bytes(b'xy')
  (tmp_path / 'c').write_bytes(b'')
  assert file_state.num_changed(before, file_state.states(files)) == 3
  assert file_state.num_changed(None, before) == 3
  assert file_state.num_changed('', '') == 0


def test_the_same_file_under_many_clips_is_asked_for_once():
  clips = [
    Utterance(utterance_id=str(i), speaker_id='s', label='l', uri=f'/{i % 2}', state='x')
    for i in range(10)
  ]
  assert file_state.files_of(clips, noise=['/0', '/noise']) == {'/0': 'x', '/1': 'x', '/noise': ''}


def fail(corpus, data, capfd, *more):
  assert run(corpus, data, *more) == 2
  return capfd.readouterr().err


def test_a_rerun_that_fails_leaves_nothing_that_calls_the_data_set_finished(
  corpus, data, tmp_path, capfd
):
  for i in range(6):
    (corpus / 'no' / f'bob_{i}.wav').write_bytes(b'junk')
  assert 'so the data set is not finished' in fail(corpus, data, capfd)
  left = sorted(contents(data))
  assert 'manifest.json' not in left
  assert not set(TFDS_FILES) & set(left)


def test_so_does_one_that_fails_by_its_listing_alone(corpus, data, capfd):
  for i in range(6):
    corpora.write_wav(corpus / f'no_label_{i}.wav')
  assert '6 of 18 clips were rejected' in fail(corpus, data, capfd)
  assert not {*TFDS_FILES, 'manifest.json'} & set(contents(data))
  for i in range(6):
    (corpus / f'no_label_{i}.wav').unlink()
  assert run(corpus, data) == 0
  assert 'all 2 shards were whole and are kept' in ' '.join(capfd.readouterr().out.split())


def no_such_split(corpus):
  del corpus
  return ('--split_by=speaker:test=nobody',), 'no clip has speaker'


def no_audio(corpus):
  for path in corpus.rglob('*.wav'):
    path.write_bytes(b'')
  return ('--feature=mfcc',), 'were rejected'


@pytest.mark.parametrize('mistake', [no_such_split, no_audio])
def test_a_first_command_that_wrote_no_record_refuses_no_other(mistake, corpus, tmp_path, capfd):
  kept = tmp_path / 'kept'
  shutil.copytree(corpus, kept)
  flags, sentence = mistake(corpus)
  assert sentence in fail(corpus, tmp_path / 'data', capfd, *flags)
  assert (tmp_path / 'data' / '.voxshard' / 'settings.json').exists()
  # And what a killed one leaves of a shard.
  (tmp_path / 'data' / 'file_names-train.tfrecord-00000-of-00001.tmp-1').write_bytes(b'x')
  assert run(kept, tmp_path / 'data') == 0
  assert run(kept, tmp_path / 'fresh') == 0
  assert contents(tmp_path / 'data') == contents(tmp_path / 'fresh')


def test_one_that_wrote_a_record_does(corpus, tmp_path, capfd, monkeypatch):
  write = shard.write_shard

  def once(path, *args, **options):
    if list((tmp_path / 'data').glob('*.tfrecord-*')):
      raise errors.DatasetError('The disk is gone.')
    return write(path, *args, **options)

  monkeypatch.setattr(shard, 'write_shard', once)
  assert 'The disk is gone.' in fail(corpus, tmp_path / 'data', capfd)
  monkeypatch.undo()
  assert list((tmp_path / 'data').glob('*.tfrecord-*'))
  assert 'holds a data set of other settings' in fail(
    corpus, tmp_path / 'data', capfd, '--feature=mfcc'
  )


def test_a_note_of_a_shard_is_small(data):
  note = json.loads(next((data / '.voxshard').glob('*-test*.json')).read_text())
  assert len(note['states']) == 8 * 2
  assert manifest_file.load(str(data)).record_version == 3
