"""What a killed process left goes and is said; what a living one is writing stays."""

import errno
import os
import subprocess
import sys
import time

import pytest

from tfrecords import storage
from tfrecords.storage import half_written

# Makes something half, says so, and waits to be killed.
FOLDER = """
from tfrecords.storage import half_written
with half_written.folder(sys.argv[1] + '.tmp-') as path:
  open(path + '/half', 'w').close()
  wait()
"""
FILE = """
from tfrecords import storage
with storage.LOCAL.writing(sys.argv[1]) as stream:
  stream.write(bytes(1000))
  stream.flush()
  wait()
"""
WAIT = """
import sys, time
def wait():
  print('half', flush=True)
  time.sleep(600)
"""


def write_half(code, path):
  """Returns the process that is in the middle of writing what will be at `path`."""
  process = subprocess.Popen(
    [sys.executable, '-c', WAIT + code, str(path)], stdout=subprocess.PIPE, text=True
  )
  assert process.stdout.readline() == 'half\n'
  return process


def kill(process):
  process.kill()
  process.wait()
  process.stdout.close()


def write_whole(code, path):
  half_written._left_in.cache_clear()  # As another process would see the folder.
  if code == FILE:
    storage.write_atomically(str(path), b'whole')
  else:
    with half_written.folder(f'{path}.tmp-') as made:
      os.rename(made, path)


# What is drawn for a name.
DRAWN = '0123456789abcdef' * 2


@pytest.mark.parametrize('code', [FOLDER, FILE], ids=['folder', 'file'])
def test_what_a_killed_process_left_goes_when_the_next_writes_there(tmp_path, code, capsys):
  path, other = tmp_path / 'words', tmp_path / 'words2.tmp-mine'
  other.touch()
  process = write_half(code, path)
  write_whole(code, path)
  (half,) = {each.name for each in tmp_path.iterdir()} - {path.name, other.name}
  assert half.startswith('words.tmp-') and capsys.readouterr().err == ''  # It lives.
  kill(process)
  os.rename(path, tmp_path / 'first')
  write_whole(code, path)
  assert {each.name for each in tmp_path.iterdir()} == {'first', path.name, other.name}
  assert capsys.readouterr().err == (
    f'note: removed {str(tmp_path / half)!r}, which a killed process left half-written.\n'
  )
  write_whole(FILE, tmp_path / 'further')
  assert capsys.readouterr().err == ''


def test_of_several_one_is_named(tmp_path, capsys):
  for name in (f'a.tmp-{DRAWN}', f'.tmp-{DRAWN}.keras', 'c', 'notes.tmp-1'):
    (tmp_path / name).touch()
  half_written.remove_abandoned_in(str(tmp_path), unlocked_s=0)
  assert sorted(path.name for path in tmp_path.iterdir()) == ['c', 'notes.tmp-1']
  assert capsys.readouterr().err == (
    'note: removed 2 things that killed processes left half-written, such as '
    f'{str(tmp_path / f".tmp-{DRAWN}.keras")!r}.\n'
  )
  half_written.remove_abandoned_in(str(tmp_path / 'none'), unlocked_s=0)


@pytest.mark.parametrize('number', [errno.ENOLCK, errno.EBADF])
def test_without_locks_nobody_can_tell(tmp_path, monkeypatch, number, capsys):
  def refuse(descriptor, operation):
    raise OSError(number, os.strerror(number))

  monkeypatch.setattr(half_written.fcntl, 'flock', refuse)
  left = tmp_path / f'a.tmp-{DRAWN}'
  left.mkdir()
  with half_written.folder(str(tmp_path / 'a.tmp-')) as path:
    assert len(os.listdir(tmp_path)) == 2 and os.path.isdir(path)
  storage.write_atomically(str(tmp_path / 'b'), b'whole')
  assert sorted(os.listdir(tmp_path)) == [left.name, 'b'] and not capsys.readouterr().err
  os.utime(left, (time.time() - 90,) * 2)
  half_written.remove_abandoned_in(str(tmp_path), unlocked_s=100)
  assert left.exists()
  half_written.remove_abandoned_in(str(tmp_path), unlocked_s=80)
  assert not left.exists()


def test_a_scratch_folder_is_its_users_alone_and_goes(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(half_written.tempfile, 'tempdir', str(tmp_path))
  (tmp_path / f'voxshard-test-{DRAWN}').mkdir()
  (tmp_path / 'voxshard-test-mine').mkdir()
  os.symlink(tmp_path, tmp_path / f'voxshard-test-{DRAWN[::-1]}')
  others = ['voxshard-test-mine', f'voxshard-test-{DRAWN[::-1]}']
  with half_written.scratch('voxshard-test-') as path:
    assert os.stat(path).st_mode & 0o777 == 0o700
    assert sorted(os.listdir(tmp_path)) == sorted([os.path.basename(path), *others])
  assert sorted(os.listdir(tmp_path)) == sorted(others) and not capsys.readouterr().err


def test_who_is_removed_before_it_is_held_makes_another(tmp_path, monkeypatch):
  real, calls = half_written.locked, []

  def late(path):
    calls.append(path)
    if len(calls) == 1:
      raise BlockingIOError
    if len(calls) == 2:
      os.remove(path)
    return real(path)

  monkeypatch.setattr(half_written, 'locked', late)
  with half_written.file(str(tmp_path / 'a')) as path:
    assert calls[-1] == path and len(calls) == 3


def test_what_is_called_alike_and_is_not_ours_stays(tmp_path, capsys):
  top = tmp_path / 'a [b]*'
  outside = tmp_path / 'outside'
  for folder in (top, outside):
    folder.mkdir()
    (folder / 'kept').touch()
  names = ('x.tmp-mine', f'x.tmp-{DRAWN}0', f'x2.tmp-{DRAWN}', f'y.tmp-{DRAWN}', 'x.tmp-')
  for name in names:
    (top / name).mkdir()
  os.symlink(outside, top / f'x.tmp-{DRAWN}')
  os.symlink(outside / 'kept', top / f'x.tmp-{DRAWN[::-1]}')
  left = sorted(os.listdir(top))
  with half_written.folder(str(top / 'x.tmp-')), half_written.file(str(top / 'x')):
    pass
  assert sorted(os.listdir(top)) == left and (outside / 'kept').exists()
  (top / f'x.tmp-{DRAWN[1:]}0').mkdir()  # And in a folder of such a name ours is found.
  half_written.remove_abandoned(str(top / 'x.tmp-'))
  assert sorted(os.listdir(top)) == left and 'note: removed' in capsys.readouterr().err
