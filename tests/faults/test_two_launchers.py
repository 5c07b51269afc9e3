"""Two launchers on one output: the second is refused and told of the first; dead ones are not."""

import os
import re
import signal
import socket
import time

import pytest

from schemas import errors
from tests.faults import jobs
from tests.helpers import bucket
from tfrecords.finishing import lock

pytestmark = pytest.mark.faults


def test_the_second_launcher_is_refused_and_told_of_the_first(corpus, undisturbed, tmp_path):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output)
  first = jobs.start(arguments)
  jobs.wait_for(lambda: jobs.finished(output), what='the first shard')
  first.send_signal(signal.SIGSTOP)  # So that it does not end too early.
  for more in ([], ['--overwrite'], ['--seed=3', '--overwrite']):
    second = jobs.run([*arguments, *more])
    assert second.returncode == 2
    sentence, since = re.subn(
      r'since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC', 'SINCE', jobs.sentence(second.stderr)
    )
    assert since == 1
    assert sentence == (
      f"error: Another command is writing to --output='{output}': process {first.pid} on "
      f'{socket.gethostname()}, SINCE. Wait for its end, or end it, or choose another --output.'
    )
  first.send_signal(signal.SIGCONT)
  _, err = first.communicate(timeout=jobs.TIMEOUT_S)
  assert first.returncode == 0, err
  assert jobs.digests(output) == undisturbed
  assert not (output / lock.FILE).exists()


def test_the_lock_of_a_killed_launcher_is_taken_over(corpus, undisturbed, tmp_path):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output)
  first = jobs.start(arguments)
  jobs.wait_for(lambda: jobs.finished(output), what='the first shard')
  jobs.kill(first)
  assert (output / lock.FILE).exists()
  done = jobs.run(arguments)
  assert done.returncode == 0, done.stderr
  assert jobs.digests(output) == undisturbed


def test_of_many_that_start_at_once_one_gets_the_output(corpus, undisturbed, tmp_path):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output)
  processes = [jobs.start(arguments) for _ in range(4)]
  ended = [(process.communicate(timeout=jobs.TIMEOUT_S)[1], process) for process in processes]
  # One that comes after another's end finds a finished data set.
  assert {process.returncode for _, process in ended} <= {0, 2}
  assert any(process.returncode == 0 for _, process in ended)
  for err, process in ended:
    assert process.returncode == 0 or 'Another command is writing' in err
  assert jobs.digests(output) == undisturbed
  assert jobs.temporaries(output) == []


def remote(tmp_path):
  return f'{bucket.SCHEME}:/{tmp_path}/data'


def holder(**changes):
  here = lock.Holder.here()
  return lock.Holder(**{**vars(here), **changes})


def leave_note(tmp_path, who):
  (tmp_path / 'data').mkdir()
  (tmp_path / 'data' / lock.FILE).write_bytes(who.to_bytes())


def test_in_a_bucket_a_note_stands_for_the_lock(tmp_path):
  with lock.held(remote(tmp_path)):
    with pytest.raises(errors.ConfigError, match=f'process {os.getpid()} on .*If it is gone'):
      with lock.held(remote(tmp_path)):
        pass
    assert (tmp_path / 'data' / lock.FILE).exists()
  assert not (tmp_path / 'data' / lock.FILE).exists()


@pytest.mark.parametrize(
  'changes',
  [
    {'pid': 2**22 + 1},  # No such process on this machine.
    {'started': '1'},  # The process id was given to another one.
    {'host': 'elsewhere', 'beat_s': time.time() - 3_600},
  ],
  ids=['dead', 'reused', 'silent'],
)
def test_in_a_bucket_the_note_of_a_dead_launcher_is_taken_over(tmp_path, changes):
  leave_note(tmp_path, holder(**changes))
  with lock.held(remote(tmp_path)):
    pass
  assert not (tmp_path / 'data' / lock.FILE).exists()


def test_in_a_bucket_the_note_of_another_machine_holds_as_long_as_it_beats(tmp_path):
  leave_note(tmp_path, holder(host='elsewhere', pid=7))
  with pytest.raises(errors.ConfigError, match='process 7 on elsewhere'):
    with lock.held(remote(tmp_path)):
      pass


def test_a_note_is_kept_fresh_and_not_removed_from_another(tmp_path, monkeypatch):
  monkeypatch.setattr(lock, '_BEAT_S', 0.05)
  path = tmp_path / 'data' / lock.FILE

  def beat_s():
    note = lock.Holder.from_bytes(path.read_bytes())
    return note.beat_s if note else 0

  with lock.held(remote(tmp_path)):
    first = beat_s()
    jobs.wait_for(lambda: beat_s() > first, what='a heartbeat')
  leave = holder(host='elsewhere')
  monkeypatch.setattr(lock, '_BEAT_S', 600.0)  # No beat writes over it.
  with lock.held(remote(tmp_path)):
    path.write_bytes(leave.to_bytes())
  assert lock.Holder.from_bytes(path.read_bytes()) == leave


def test_a_disk_without_locks_is_held_by_a_note(tmp_path, monkeypatch):
  def none(descriptor, operation):
    raise OSError(95, 'Operation not supported')

  monkeypatch.setattr(lock.fcntl, 'flock', none)
  with lock.held(str(tmp_path / 'data')):
    with pytest.raises(errors.ConfigError, match='Another command is writing'):
      with lock.held(str(tmp_path / 'data')):
        pass
  assert list((tmp_path / 'data').iterdir()) == []
