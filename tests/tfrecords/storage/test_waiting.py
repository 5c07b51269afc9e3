"""What is said where a place lets one wait."""

import itertools
import re
import threading
import time

import pytest

from tests.helpers import waits, web_server
from tfrecords import storage
from tfrecords.storage import cloud_errors, passing_faults, waiting


@pytest.fixture
def said(monkeypatch):
  """What is said in this process, by another watch than before."""
  sentences = []
  monkeypatch.setattr(waiting, 'AFTER_S', 0.05)
  monkeypatch.setattr(waiting, '_watches', {})
  monkeypatch.setattr(waiting, 'listener', sentences.append)
  return sentences


def wait(path, said):
  """Waits under this name until another sentence is there."""
  num_said = len(said)
  with waiting.told(path):
    waits.until(lambda: len(said) > num_said)


def test_a_wait_is_told_once(said):
  with waiting.told('gs://bucket/slow.wav'), waiting.told('gs://bucket/other.wav'):
    waits.until(lambda: said)
  with waiting.told('gs://bucket/later.wav'):
    time.sleep(0.2)
  (sentence,) = said
  assert re.match(r'waiting for gs://bucket/slow\.wav: nothing came for \d+ s\. ', sentence)
  assert '429' in sentence


def test_what_is_quick_is_not_told(said, monkeypatch):
  monkeypatch.setattr(waiting, 'AFTER_S', 2.0)  # No single one lasts so long on a busy machine.
  for _ in range(100):
    with waiting.told('gs://bucket/quick.wav'):
      pass
  time.sleep(0.5)  # It is looked at all of them together.
  with waiting.told('gs://bucket/quick.wav'):
    pass
  assert said == []


def test_it_is_told_again_after_a_while_by_the_one_that_waits_longest(monkeypatch, said):
  told_s = []  # By the clock of the watch: this thread may be held up before it looks at one.
  monkeypatch.setattr(waiting, 'AGAIN_S', 0.1)
  monkeypatch.setattr(
    waiting, 'listener', lambda text: (told_s.append(waiting._watch()._told_s), said.append(text))
  )
  with waiting.told('s3://bucket/first'):
    threads = [threading.Thread(target=wait, args=(f's3://bucket/{i}', said)) for i in range(8)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    waits.until(lambda: len(said) >= 3)
  assert all(text.startswith('waiting for s3://bucket/first: ') for text in said)
  assert min(later - s for s, later in itertools.pairwise(told_s)) >= 0.1


def test_a_listener_that_fails_ends_no_wait(monkeypatch, said):
  monkeypatch.setattr(waiting, 'listener', lambda text: said.append(text) or 1 / 0)
  monkeypatch.setattr(waiting, 'AGAIN_S', 0.01)
  for _ in range(2):  # Nor is it the last that is told.
    wait('gs://bucket/x', said)


def test_what_a_client_of_a_bucket_waits_for_is_told(said):
  with cloud_errors.as_os_errors('gs://bucket/x.wav'):
    waits.until(lambda: said)
  assert len(said) == 1 and 'gs://bucket/x.wav' in said[0]
  # Whoever takes what is listed may take its time: nothing is waited for meanwhile.
  for _ in cloud_errors.each('gs://bucket/', lambda: range(2)):
    assert not waiting._watch()._waits


@pytest.mark.parametrize('status', [429, 503])
def test_what_a_web_server_refuses_for_now_is_told(said, status, monkeypatch):
  monkeypatch.setattr(passing_faults, 'sleep', lambda seconds: waits.until(lambda: said))
  pages = {'/a.wav?sig=1': web_server.Page(b'sound', statuses=[status])}
  with web_server.serving(pages) as address:
    path = f'{address}/a.wav?sig=1'
    data = passing_faults.patiently(lambda: storage.storage_of(path).open_read(path).read(), path)
  assert data == b'sound'
  (sentence,) = said
  assert sentence.startswith(f'waiting for {address}/a.wav?hidden=')


def test_without_a_listener_it_is_a_note_on_standard_error(said, monkeypatch, capsys):
  monkeypatch.setattr(waiting, 'listener', lambda text: (waiting.print_note(text), said.append(1)))
  wait('/mnt/disk/a.wav', said)
  assert capsys.readouterr().err.startswith('note: waiting for /mnt/disk/a.wav: nothing came')
