import errno
import io
import os
import random

import pytest

from schemas import errors, rejects
from tests.helpers import datasets
from tfrecords import manifest_file, reader, shard_files
from tfrecords.finishing import notes
from tfrecords.storage import local, passing_faults


@pytest.fixture
def waited(monkeypatch):
  """The waits, in seconds, that nobody has to wait for."""
  waits = []
  monkeypatch.setattr(passing_faults, 'sleep', waits.append)
  return waits


def failing(times, number=errno.EIO):
  left = [number] * times

  def attempt():
    if left:
      code = left.pop()
      raise OSError(code, os.strerror(code))
    return 'read'

  return attempt


@pytest.mark.parametrize(
  'number', [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ETIMEDOUT, errno.ECONNRESET]
)
def test_what_passes_is_waited_out(waited, number):
  assert passing_faults.patiently(failing(4, number), 'x.wav') == 'read'
  assert waited == list(passing_faults.WAITS_S)


def test_what_stays_is_one_sentence(waited):
  with pytest.raises(errors.StorageError) as caught:
    passing_faults.patiently(failing(5), '/data/x.wav')
  assert str(caught.value) == (
    'Could not read /data/x.wav: Input/output error (5 tries in 10 s). Such a fault mostly passes, '
    'so it is not taken for one of the file: run the same command again, whole shards are kept. '
    'Where it is always this file, copy it again or do without it.'
  )
  assert sum(waited) < 11


@pytest.mark.parametrize('number', [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ELOOP])
def test_what_does_not_pass_is_not_tried_again(waited, number):
  with pytest.raises(OSError) as caught:
    passing_faults.patiently(failing(1, number), 'x.wav')
  assert caught.value.errno == number and not waited


@pytest.mark.parametrize('scheme', ['gs', 's3'])
def test_whose_client_has_asked_again_is_not_asked_again(waited, scheme):
  with pytest.raises(errors.StorageError, match=f'{scheme}://b/x.wav: Input/output error. Such'):
    passing_faults.patiently(failing(1), f'{scheme}://b/x.wav')
  assert not waited


def test_the_fault_behind_a_clip_s_error_is_seen():
  for reason, seen in (('unreadable', True), ('truncated', False)):
    error = rejects.ClipError(reason, 'Wanted the content.')
    error.__cause__ = OSError(errno.EIO, 'Decoders too speak of EIO, and mean the file.')
    assert bool(passing_faults.fault_in(error)) == seen
  assert passing_faults.fault_in(rejects.ClipError('missing', 'Wanted a file.')) is None


class _Flaky(io.BytesIO):
  """Fails at every third read, and stands somewhere else then."""

  reads = 0

  def read(self, size=-1):
    _Flaky.reads += 1
    if _Flaky.reads % 3 == 0:
      self.seek(0)
      raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    return super().read(size)


def test_a_stream_goes_on_where_it_stood(waited):
  content = random.Random(0).randbytes(3_000_000)
  opened = []

  def open_stream():
    opened.append(_Flaky(content))
    return opened[-1]

  with passing_faults.opened_patiently(open_stream, 'x') as stream:
    assert stream.read(10) == content[:10]
    assert stream.seek(-5, io.SEEK_END) == len(content) - 5
    assert stream.read() == content[-5:]
    stream.seek(7)
    assert stream.read(1_000_000) == content[7:1_000_007]
    assert stream.seek(3, io.SEEK_CUR) == 1_000_010
    assert stream.read() == content[1_000_010:]
  assert len(opened) > 3 and len(waited) == len(opened) - 1
  assert all(one.closed for one in opened)


class _FlakyStorage(local.LocalStorage):
  """The disk, of which every first try at a file fails, and every third read."""

  def __init__(self):
    self.tried = set()

  def open_read(self, path, piece_bytes=0):
    if path not in self.tried:
      self.tried.add(path)
      raise OSError(errno.EIO, os.strerror(errno.EIO))
    with super().open_read(path) as stream:
      return _Flaky(stream.read())

  def sizes(self, path):
    if path not in self.tried:
      self.tried.add(path)
      raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    return super().sizes(path)


def test_a_data_set_is_read_as_patiently_as_a_corpus(tmp_path, waited):
  written = datasets.write_dataset(tmp_path)
  files = _FlakyStorage()
  manifest = manifest_file.load(str(tmp_path), files)
  assert manifest == written
  shard_files.check(str(tmp_path), manifest, ['train'], files)
  path = str(tmp_path / manifest.shards[0].file_name)
  assert len(list(reader.read_records(path, files))) == manifest.shards[0].num_records
  notes.Notes(str(tmp_path)).make_folder()
  notes.Notes(str(tmp_path)).write('a.json', {'a': 1})
  assert notes.Notes(str(tmp_path), files).read('a.json') == {'a': 1}
  assert len(files.tried) == 4 <= len(waited)
