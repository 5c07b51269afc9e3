import errno
import io
import socket
import threading

import pytest

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import table
from schemas import errors
from tests.helpers import web_server
from tfrecords import storage
from tfrecords.storage import web

CONTENT = bytes(range(256)) * 4_096  # 1 MiB: twice what the first request takes.


@pytest.fixture(scope='module')
def pages():
  return {}


@pytest.fixture(scope='module')
def address(pages):
  with web_server.serving(pages) as found:
    yield found


def opened(address, piece_bytes=256 << 10):
  return storage.storage_of(address).open_read(address, piece_bytes)


def failure(address):
  with pytest.raises(OSError) as caught, opened(address) as stream:
    stream.read()
  return caught.value


def test_a_small_file_takes_one_request(address, pages):
  pages['/a.wav'] = web_server.Page(CONTENT[:1000])
  with opened(f'{address}/a.wav') as stream:
    assert stream.read() == CONTENT[:1000]
  assert pages['/a.wav'].requests == ['bytes=0-524287']


def test_a_large_file_is_read_where_it_is_asked_for(address, pages):
  pages['/a.wav'] = web_server.Page(CONTENT)
  with opened(f'{address}/a.wav') as stream:
    assert stream.seek(0, io.SEEK_END) == len(CONTENT)
    stream.seek(600_001)
    assert stream.read(7) == CONTENT[600_001:600_008]
    stream.seek(0)
    assert stream.read() == CONTENT
  assert pages['/a.wav'].requests[1] == 'bytes=600001-862144'


@pytest.mark.parametrize(
  'page',
  [
    web_server.Page(CONTENT, has_ranges=False),
    web_server.Page(CONTENT, has_ranges=False, says_length=-1),
    web_server.Page(CONTENT, tells_size=False, has_ranges=True),
    web_server.Page(b''),
  ],
  ids=['no ranges', 'no length', 'no size', 'empty'],
)
def test_a_server_without_ranges_or_lengths_is_read_as_a_whole(address, pages, page):
  wanted, pages['/a.wav'] = page.content, page
  if not page.tells_size:
    page.says_length = -1
  with opened(f'{address}/a.wav') as stream:
    assert stream.read() == wanted
    assert stream.seek(0) == 0


@pytest.mark.parametrize(
  ('status', 'number'),
  [
    (404, errno.ENOENT),
    (410, errno.ENOENT),
    (403, errno.EACCES),
    (401, errno.EACCES),
    (400, errno.EINVAL),
    (429, errno.EAGAIN),
    (500, errno.EIO),
    (503, errno.EIO),
  ],
)
def test_what_a_server_answers_is_what_python_calls_it(address, pages, status, number):
  pages['/a.wav'] = web_server.Page(CONTENT, statuses=[status])
  error = failure(f'{address}/a.wav')
  assert error.errno == number
  assert str(status) in error.strerror


def test_a_connection_that_ends_early_is_told(address, pages):
  pages['/a.wav'] = web_server.Page(CONTENT[:1000], cuts=[300])
  error = failure(f'{address}/a.wav')
  assert (error.errno, error.strerror) == (
    errno.ECONNRESET,
    'the connection ended after 300 of 1,000 bytes',
  )


def test_a_file_that_changes_meanwhile_is_read_in_no_two_states(address, pages):
  pages['/a.wav'] = web_server.Page(CONTENT, after=CONTENT[::-1])
  with opened(f'{address}/a.wav') as stream, pytest.raises(OSError, match='changed') as caught:
    stream.read()
  assert caught.value.errno == errno.ESTALE


def test_there_are_limits_of_size_and_time(address, pages, monkeypatch):
  monkeypatch.setattr(web, 'MOST_BYTES', 1000)
  for page in (
    web_server.Page(CONTENT),
    web_server.Page(CONTENT, has_ranges=False),
    web_server.Page(CONTENT, has_ranges=False, says_length=-1),
  ):
    pages['/a.wav'] = page
    assert failure(f'{address}/a.wav').errno == errno.EFBIG
  monkeypatch.undo()
  monkeypatch.setattr(web, 'ANSWER_S', -1)
  pages['/a.wav'] = web_server.Page(CONTENT)
  assert failure(f'{address}/a.wav').errno == errno.ETIMEDOUT


def test_nobody_waits_for_a_server_that_is_silent(monkeypatch):
  monkeypatch.setattr(web, 'SILENCE_S', 0.1)
  with socket.create_server(('127.0.0.1', 0)) as listening:
    port = listening.getsockname()[1]
    error = failure(f'http://127.0.0.1:{port}/a.wav')
  assert (error.errno, error.strerror) == (errno.ETIMEDOUT, 'the server is silent')
  # Nobody listens any more.
  error = failure(f'http://127.0.0.1:{port}/a.wav')
  assert error.errno == errno.ECONNRESET
  assert 'refused' in error.strerror and 'object at' not in error.strerror


def test_what_is_no_answer_or_no_address(monkeypatch):
  with socket.create_server(('127.0.0.1', 0)) as listening:

    def talk():
      connection, _ = listening.accept()
      with connection:
        connection.sendall(b'220 this is a mail server\r\n')

    thread = threading.Thread(target=talk)
    thread.start()
    assert failure(f'http://127.0.0.1:{listening.getsockname()[1]}/a').errno == errno.ECONNRESET
    thread.join()
  assert failure('http://[/a.wav').errno == errno.EINVAL


def test_a_server_that_refuses_to_be_asked_for_a_state_is_asked_for_a_byte(address, pages):
  files = storage.storage_of(address)
  state = files.state(f'{address}/a.wav')
  pages['/a.wav'].statuses = [405]
  assert files.state(f'{address}/a.wav') == state


def test_what_is_there_and_in_which_state(address, pages):
  files = storage.storage_of(f'{address}/a')
  pages['/a.wav'] = web_server.Page(CONTENT, tag='"7"')
  assert files.exists(f'{address}/a.wav') and not files.exists(f'{address}/b.wav')
  assert files.state(f'{address}/a.wav').startswith(f'{len(CONTENT)} "7"')


def test_nothing_is_written_to_a_web_server_or_listed_there(address):
  files = storage.storage_of(address)
  for act in (
    lambda: files.writing(f'{address}/a'),
    lambda: files.create(f'{address}/a', b'x'),
    lambda: files.remove(f'{address}/a'),
    lambda: files.list_dir(address),
    lambda: files.sizes(address),
  ):
    with pytest.raises(OSError, match='only delivers single files'):
      act()
  with pytest.raises(errors.SourceError, match='does not say what a folder holds.*source=table'):
    corpus_lib.Corpus(address).check()


def test_a_table_of_a_web_server_names_its_neighbours(address, pages):
  pages['/d/clips.csv?token=a/b'] = web_server.Page(
    'path,label\nyes/#1 é.wav,yes\n../x.wav,no\nhttps://other.example/b.wav,no\n'.encode()
  )
  first, second, third = table.list_utterances(
    corpus_lib.Corpus(f'{address}/d/clips.csv?token=a/b'), table.Table()
  )
  assert first.uri == f'{address}/d/yes/%231%20%C3%A9.wav'
  assert (first.utterance_id, first.origin) == ('yes/#1 é.wav', 'clips.csv, row 2')
  assert second.reason == 'outside'
  assert third.uri == third.utterance_id == 'https://other.example/b.wav'
