import os
import pickle
import signal
import subprocess
import sys

import pytest

from beam_jobs.processes import side_channel, worker_page
from schemas import errors
from tfrecords import storage
from tfrecords.finishing import notes


@pytest.fixture(params=['on this machine', 'elsewhere'])
def channel(request, tmp_path):
  """A channel as workers have it, to a folder that they share, or to the notes of the output."""
  if request.param == 'on this machine':
    made = side_channel.SideChannel(folder=str(tmp_path))
  else:
    made = side_channel.SideChannel(notes.Notes(str(tmp_path)))
  return pickle.loads(pickle.dumps(made))


def fail(channel, work, error):
  with pytest.raises(type(error)), channel.reporting(work):
    raise error


def test_a_failure_of_ours_is_told_in_its_own_words(channel):
  fail(channel, 'shard 1', errors.SourceError('There is no folder.'))
  assert channel.failure() == 'There is no folder.'
  fail(channel, 'shard 1', MemoryError('no room'))
  assert channel.failure() == 'A worker failed: MemoryError: no room.'


def test_a_failure_that_a_retry_has_overcome_explains_nothing(channel):
  fail(channel, 'shard 1', OSError('the bucket did not answer'))
  with channel.reporting('shard 2'):
    pass  # Other work says nothing of it.
  with channel.reporting('shard 1', in_part=True):
    pass  # Nor does a part of the same.
  assert 'the bucket did not answer' in channel.failure()
  with channel.reporting('shard 1'):
    pass
  assert channel.failure() == ''


def test_an_earlier_jobs_failure_is_forgotten(channel):
  fail(channel, 'listing', errors.SourceError('There is no folder.'))
  channel.forget_failure()
  assert channel.failure() == ''


def test_the_error_that_is_told_is_not_hidden_by_a_full_disk(channel, monkeypatch):
  def refuse(*args):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(storage, 'write_atomically', refuse)
  fail(channel, 'listing', errors.SourceError('There is no folder.'))
  assert channel.failure() == ''


def test_the_counts_of_all_workers_add_up(tmp_path):
  channel = side_channel.SideChannel(folder=str(tmp_path))
  assert channel.counts() == (0, 0, 0.0)
  channel.set_total(100)
  first, second = channel.worker_page(), channel.worker_page()
  first.advance(10, 5.0)
  first.advance(10, 5.0)
  second.advance(7, 3.5)
  assert channel.counts() == (100, 27, 13.5)
  first.close()
  assert channel.counts() == (100, 27, 13.5)


def test_a_half_written_page_is_no_error(tmp_path):
  (tmp_path / 'worker-1').write_bytes(b'\x01')
  assert side_channel.SideChannel(folder=str(tmp_path)).counts() == (0, 0, 0.0)


def test_nobody_has_to_listen(tmp_path):
  for channel in (side_channel.SideChannel(), side_channel.SideChannel(folder=f'{tmp_path}/gone')):
    channel.set_total(3)
    page = channel.worker_page()
    page.advance(1, 1.0)
    with page.decoding('a.wav'):
      pass
    page.close()
    fail(channel, 'listing', OSError('x'))
    assert channel.of_dead_workers() == []


def test_the_file_in_the_hands_of_a_dead_worker_is_named_and_no_living_ones(tmp_path, monkeypatch):
  code = """
import os, signal, sys
from beam_jobs.processes import side_channel
page = side_channel.SideChannel(folder=sys.argv[1]).worker_page()
with page.decoding('whole.wav'):
  pass
with page.decoding('bad.wav'):
  os.kill(os.getpid(), signal.SIGKILL)
"""
  done = subprocess.run([sys.executable, '-c', code, str(tmp_path)], cwd=os.getcwd(), check=False)
  assert done.returncode == -signal.SIGKILL
  channel = side_channel.SideChannel(folder=str(tmp_path))
  with channel.worker_page().decoding('living.wav'):
    assert channel.of_dead_workers() == ['bad.wav']


@pytest.mark.parametrize('last', ['page.close()', ''])
def test_what_a_worker_decodes_that_its_runner_ends_is_not_blamed(tmp_path, monkeypatch, last):
  # As Beam's workers do: the thread at work does not hold up the end of the process.
  code = """
import sys, threading
from beam_jobs.processes import side_channel
page = side_channel.SideChannel(folder=sys.argv[1]).worker_page()
is_at_it = threading.Event()
def decode():
  with page.decoding('innocent.wav'):
    is_at_it.set()
    threading.Event().wait()
threading.Thread(target=decode, daemon=True).start()
is_at_it.wait()
"""
  subprocess.run([sys.executable, '-c', code + last, str(tmp_path)], cwd=os.getcwd(), check=True)
  monkeypatch.setattr(worker_page, '_DEATH_S', 0.0)
  assert side_channel.SideChannel(folder=str(tmp_path)).of_dead_workers() == []
