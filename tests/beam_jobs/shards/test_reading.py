"""What of a file that is not delivered ends the shard, and what leaves the clip out."""

import errno
import json
import os
import pathlib
import unicodedata

import numpy as np
import pytest
import soundfile

from beam_jobs import featurize
from beam_jobs.exploration import originals
from beam_jobs.shards import loading, noise_recordings, reading
from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import table
from beam_jobs.sources.tfds_records import clip_uri
from features.decoding import clips
from schemas import audio, command, errors, rejects, utterance
from tests.helpers import bucket, web_server
from tfrecords import storage
from tfrecords.storage import passing_faults

SPEC = audio.AudioSpec()


@pytest.fixture
def waited(monkeypatch):
  waits = []
  monkeypatch.setattr(passing_faults, 'sleep', waits.append)
  return waits


@pytest.fixture
def faults(monkeypatch):
  """Numbers of the errors with which the next openings of x.wav and its like end."""
  left = []
  real_os_open, real_open, real_scandir = os.open, open, os.scandir

  def checked(real):
    def call(path, *args, **keywords):
      if left and 'x' in pathlib.Path(str(path)).name:
        number = left.pop(0)
        raise OSError(number, os.strerror(number))
      return real(path, *args, **keywords)

    return call

  monkeypatch.setattr(os, 'open', checked(real_os_open))
  monkeypatch.setattr('builtins.open', checked(real_open))
  monkeypatch.setattr(os, 'scandir', checked(real_scandir))
  return left


@pytest.fixture
def path(tmp_path):
  samples = np.random.default_rng(0).normal(0, 0.1, 16_000)
  soundfile.write(tmp_path / 'x.wav', samples, 16_000)
  os.utime(tmp_path / 'x.wav', (0, 0))  # Else reading waits until it is at rest.
  return str(tmp_path / 'x.wav')


def sound_of(path):
  return originals.sound(utterance.Utterance(utterance_id='x', speaker_id='a', label='a', uri=path))


READERS = {
  'whole': lambda path: reading.load(path, SPEC).samples.any(),
  'excerpt': lambda path: reading.load(
    path, SPEC, excerpt=utterance.Excerpt(start_s=0.2, duration_s=0.5)
  ).samples.any(),
  'picture': reading.read,
  'prediction': clips.read_bytes,
  'page': sound_of,
  'noise': lambda path: noise_recordings.Noise([path], 16_000)(np.random.default_rng(0), 100).any(),
  'record': lambda path: reading.read(
    clip_uri.uri(
      clip_uri.Place(
        path=path,
        offset_bytes=0,
        length_bytes=9,
        audio=clip_uri.StoredAudio(key='a', encoding='none'),
      )
    )
  ),
}  # fmt: skip


@pytest.mark.parametrize('reader', READERS)
def test_a_passing_fault_is_waited_out_and_then_ends_the_work(path, faults, waited, reader):
  faults += [errno.EIO, errno.EMFILE]
  try:
    assert READERS[reader](path)
  except rejects.ClipError as error:
    assert (reader, error.reason) == ('record', 'truncated')  # It was read, and is no record file.
  assert waited == list(passing_faults.WAITS_S[:2])
  faults += [errno.ESTALE] * 5
  with pytest.raises(errors.StorageError, match=r'x\.wav: Stale file handle \(5 tries in 10 s\)'):
    READERS[reader](path)


@pytest.mark.parametrize(
  ('number', 'reason'), [(errno.ENOENT, 'missing'), (errno.EACCES, 'no_permission')]
)
def test_what_is_gone_or_forbidden_stays_a_reject(path, faults, waited, number, reason):
  faults.append(number)
  with pytest.raises(rejects.ClipError) as caught:
    reading.load(path, SPEC)
  assert caught.value.reason == reason and not waited


def test_a_fault_in_the_middle_of_a_read_is_one_too(path, monkeypatch, waited):
  real, left = os.read, [errno.ETIMEDOUT]

  def read(*args):
    if left:
      raise OSError(left.pop(), 'Connection timed out')
    return real(*args)

  monkeypatch.setattr(os, 'read', read)
  assert reading.load(path, SPEC).samples.any()
  assert len(waited) == 1


def test_listing_and_tables_wait_too(tmp_path, faults, waited):
  (tmp_path / 'xs').mkdir()
  (tmp_path / 'xs' / 'a.wav').touch()
  (tmp_path / 'x.csv').write_text('path,label\na.wav,a\n')
  (tmp_path / 'x.txt').write_text('list')
  faults += [errno.ESTALE]
  assert corpus_lib.Corpus(str(tmp_path)).entries(('.wav',)) == ['xs/a.wav']
  faults += [errno.EIO]
  (entry,) = table.list_utterances(corpus_lib.Corpus(str(tmp_path / 'x.csv')), table.Table())
  assert entry.utterance_id == 'a.wav'
  faults += [errno.EIO]
  assert corpus_lib.Corpus(str(tmp_path)).read_text('x.txt') == 'list'
  assert len(waited) == 3
  faults += [errno.EIO] * 5
  with pytest.raises(errors.StorageError, match='xs: Input/output error'):
    corpus_lib.Corpus(str(tmp_path)).entries(('.wav',))


class _Bucket:
  """Answers 503 to the first requests."""

  def __init__(self, path, numbers):
    self._path, self._numbers = path, numbers

  def open_read(self, path, piece_bytes=0):
    if self._numbers:
      number = self._numbers.pop(0)
      raise OSError(number, os.strerror(number), path)
    return open(self._path, 'rb')


@pytest.mark.parametrize('excerpt', [None, utterance.Excerpt(start_s=0.5)])
def test_a_bucket_is_asked_again(path, monkeypatch, waited, excerpt):
  bucket = _Bucket(path, [errno.EIO, errno.EAGAIN])
  monkeypatch.setattr(storage, 'storage_of', lambda path: bucket)
  assert reading.load('abfs://b/x.wav', SPEC, excerpt=excerpt).samples.any()
  assert len(waited) == 2
  for number, reason in ((errno.ENOENT, 'missing'), (errno.EINVAL, 'unreadable')):
    bucket = _Bucket(path, [number])
    with pytest.raises(rejects.ClipError) as caught:
      reading.load('abfs://b/x.wav', SPEC, excerpt=excerpt)
    assert caught.value.reason == reason


def test_the_other_normal_form_in_a_bucket_is_said(tmp_path):
  nfc, nfd = (unicodedata.normalize(form, 'café') for form in ('NFC', 'NFD'))
  (tmp_path / f'{nfd}.wav').touch()
  with pytest.raises(rejects.ClipError) as caught:
    reading.load(f'{bucket.SCHEME}:/{tmp_path}/{nfc}.wav', SPEC)
  assert caught.value.reason == 'missing'
  assert caught.value.detail.endswith('is written in the form NFD: name it so.')


def featurized(output, *arguments):
  return command.run(
    featurize.main,
    [f'--output={output}', '--workers=0', '--notfds_metadata', '--clip_seconds=0.1', *arguments],
  )


def write_corpus(folder, num_clips=8):
  generator = np.random.default_rng(0)
  for i in range(num_clips):
    soundfile.write(folder / f'g{i}.wav', generator.normal(0, 0.1, 1_600), 16_000)


def test_39_of_40_clips_do_not_look_like_success(tmp_path, monkeypatch, capsys, waited):
  write_corpus(tmp_path)
  rows = ''.join(f'g{i}.wav,{"ab"[i % 2]},s{i}\n' for i in range(8))
  (tmp_path / 't.csv').write_text(f'path,label,speaker\n{rows}')
  real = os.open

  def failing(path, *args, **keywords):
    if str(path).endswith('g3.wav'):
      raise OSError(errno.EIO, 'Input/output error')
    return real(path, *args, **keywords)

  monkeypatch.setattr(os, 'open', failing)
  arguments = ['--source=table', f'--input={tmp_path}/t.csv', '--split_by=clip']
  assert featurized(tmp_path / 'out', *arguments) == 2
  said = capsys.readouterr().err
  assert 'g3.wav: Input/output error (5 tries in 10 s)' in said and 'Traceback' not in said
  assert not (tmp_path / 'out' / 'manifest.json').exists()
  monkeypatch.undo()
  assert featurized(tmp_path / 'out', *arguments) == 0


def test_a_table_of_addresses_is_read(tmp_path, capsys, waited):
  write_corpus(tmp_path)
  pages = {f'/c/{path.name}': web_server.Page(path.read_bytes()) for path in tmp_path.glob('*.wav')}
  pages['/c/g0.wav'].statuses = [503, 429]
  pages['/c/g1.wav'].has_ranges = False
  pages['/c/g2.wav'].statuses = [403]
  pages['/c/g3.wav'].cuts = [99]
  odd = (
    'gone.wav,a,x0\nxyz://a/b.wav,a,x1\nhdfs://b/x.wav,a,x2\nftp://b/x.wav,a,x3\n'
    'file:///etc/passwd,a,x4\nhttp://[/x.wav,a,x5\ns3:///x.wav,a,x6\n'
  )
  rows = ''.join(f'g{i}.wav,{"ab"[i % 2]},s{i}\n' for i in range(8))
  pages['/c/t.csv'] = web_server.Page(f'path,label,speaker\n{rows}{odd}'.encode())
  with web_server.serving(pages) as address:
    code = featurized(
      tmp_path / 'out', '--source=table', f'--input={address}/c/t.csv', '--split_by=clip',
      '--max_reject_fraction=0.9',
    )  # fmt: skip
  shown = capsys.readouterr()
  assert code == 0, shown.err
  assert 'Exception ignored' not in shown.err
  lines = (tmp_path / 'out' / 'rejects.jsonl').read_text().splitlines()
  found = {line['utterance_id']: line['reason'] for line in map(json.loads, lines)}
  assert found == {
    'g2.wav': 'no_permission',
    'gone.wav': 'missing',
    'xyz://a/b.wav': 'bad_uri',
    'hdfs://b/x.wav': 'bad_uri',
    'ftp://b/x.wav': 'bad_uri',
    's3:///x.wav': 'bad_uri',
    'file:///etc/passwd': 'outside',
    'http://[/x.wav': 'unreadable',
  }
  assert len(waited) == 3


def test_a_file_of_a_web_server_that_was_replaced_is_read_again(tmp_path, capsys):
  write_corpus(tmp_path)
  pages = {f'/{path.name}': web_server.Page(path.read_bytes()) for path in tmp_path.glob('*.wav')}
  rows = ''.join(f'g{i}.wav,{"ab"[i % 2]},s{i}\n' for i in range(8))
  pages['/t.csv'] = web_server.Page(f'path,label,speaker\n{rows}'.encode())
  with web_server.serving(pages) as address:
    job = (
      tmp_path / 'out', '--source=table', f'--input={address}/t.csv', '--split_by=speaker:test=s7',
    )  # fmt: skip
    assert featurized(*job) == 0
    for page in pages.values():
      page.requests.clear()
    assert featurized(*job) == 0
    assert not any(page.requests for name, page in pages.items() if name != '/t.csv')
    pages['/g7.wav'].tag = '"2"'
    assert featurized(*job) == 0
    assert pages['/g7.wav'].requests and not pages['/g0.wav'].requests
  assert 'Traceback' not in capsys.readouterr().err


def test_a_web_server_is_no_output(tmp_path, capsys):
  write_corpus(tmp_path, 2)
  arguments = ['--source=unlabelled', f'--input={tmp_path}']
  assert featurized('http://127.0.0.1:9/out', *arguments) == 2
  said = capsys.readouterr().err
  assert 'is on a web server, which only delivers files' in said and said.count('\n') == 1


def test_web_files_are_waited_for_by_many_threads():
  assert reading.is_remote('https://a/b.wav') and loading.REMOTE_THREADS > 1
