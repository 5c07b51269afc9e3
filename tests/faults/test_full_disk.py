"""A disk that is full: the path and the need are named, nothing final is half-written."""

import contextlib
import os
import re
import resource
import subprocess
import threading

import pytest

from tests.faults import jobs

pytestmark = pytest.mark.faults

# The records of the job come to 3.6 MB; of one shard, to 0.2 MB.
SMALL_BYTES = 2 << 20


@contextlib.contextmanager
def small_disk(folder, num_bytes):
  """Mounts a disk of so many bytes; skips the test where that is not allowed."""
  folder.mkdir()
  mount = ['mount', '-t', 'tmpfs', '-o', f'size={num_bytes}', 'tmpfs', str(folder)]
  try:
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
  except FileNotFoundError:
    pytest.skip('there is no `mount` here')
  if done.returncode:
    pytest.skip(f'a small disk cannot be mounted here: {done.stderr.strip()}')
  try:
    yield
  finally:
    subprocess.run(['umount', str(folder)], check=True)


def more_room(folder):
  subprocess.run(['mount', '-o', 'remount,size=64m', str(folder)], check=True)


def check_refusal(done, what):
  assert done.returncode == 2, (done.stdout, done.stderr)
  match = re.search(
    rf'error: Could not write {what}: (.*) \((it needs .*)\)\. Is there', jobs.sentence(done.stderr)
  )
  assert match, done.stderr
  return match


@pytest.mark.parametrize('workers', [0, 2])
def test_a_disk_that_fills_up_is_a_sentence_and_a_rerun_finishes(
  corpus, undisturbed, tmp_path, workers
):
  disk = tmp_path / 'disk'
  arguments = jobs.argv(corpus, disk / 'data', f'--workers={workers}')
  with small_disk(disk, 16 << 20):
    process = jobs.start(arguments)
    # Somebody else fills the disk while the job is at work.
    jobs.wait_for(lambda: len(jobs.finished(disk / 'data')) >= 3, what='three shards')
    hog = threading.Thread(target=fill, args=(disk / 'hog',))
    hog.start()
    out, err = process.communicate(timeout=jobs.TIMEOUT_S)
    hog.join()
    done = subprocess.CompletedProcess(arguments, process.returncode, out, err)
    match = check_refusal(done, rf"(?:the shard|the job's notes in) '{re.escape(str(disk))}/.*'")
    assert match[1] == 'No space left on device'
    assert re.search(r'it needs (about )?[\d,]+ bytes.*; [\d,]+ bytes are free there', match[2])
    assert jobs.check_whole(disk / 'data', undisturbed) >= 3
    assert not (disk / 'data' / 'manifest.json').exists()
    before = jobs.finished(disk / 'data')
    (disk / 'hog').unlink()
    again = jobs.run(arguments)
    assert again.returncode == 0, again.stderr
    assert jobs.digests(disk / 'data') == undisturbed
    assert before.items() <= jobs.finished(disk / 'data').items()
    assert jobs.temporaries(disk / 'data') == []


def fill(path):
  """Takes all room that there is, again and again for a while."""
  with open(path, 'wb', buffering=0) as stream:
    for size in (1 << 20, 1 << 16, 1 << 12, 1):
      with contextlib.suppress(OSError):
        while True:
          stream.write(bytes(size))


def test_a_disk_that_is_too_small_is_found_out_before_any_audio_is_read(
  corpus, undisturbed, tmp_path
):
  disk = tmp_path / 'disk'
  arguments = jobs.argv(corpus, disk / 'data', '--workers=2')
  with small_disk(disk, SMALL_BYTES):
    done = jobs.run(arguments)
    assert done.returncode == 2
    assert re.fullmatch(
      r'error: The data set needs about [\d,]+ bytes more, [\d,]+ bytes are free at '
      rf"'{re.escape(str(disk))}/data'\. Make room or choose another --output; no audio was read "
      r'yet\.',
      jobs.sentence(done.stderr),
    ), done.stderr
    assert not list((disk / 'data').glob('*.tfrecord-*'))
    more_room(disk)
    assert jobs.run(arguments).returncode == 0
    assert jobs.digests(disk / 'data') == undisturbed


@pytest.mark.parametrize('num_bytes', [0, 1_000, 4_000])
def test_no_room_even_for_the_first_note_is_a_sentence(corpus, undisturbed, tmp_path, num_bytes):
  disk = tmp_path / 'disk'
  arguments = jobs.argv(corpus, disk / 'data')
  with small_disk(disk, 64 << 10):
    fill(disk / 'hog')
    os.truncate(disk / 'hog', os.path.getsize(disk / 'hog') - num_bytes)
    done = jobs.run(arguments)
    assert done.returncode == 2, done.stderr
    assert 'No space left on device' in done.stderr or 'bytes are free at' in done.stderr
    assert str(disk) in done.stderr
    assert jobs.sentence(done.stderr)
    (disk / 'hog').unlink()
    more_room(disk)
    assert jobs.run(arguments).returncode == 0
    assert jobs.digests(disk / 'data') == undisturbed


@pytest.mark.parametrize('workers', [0, 2])
def test_a_limit_on_the_size_of_files_is_a_sentence_and_a_rerun_finishes(
  corpus, undisturbed, tmp_path, workers
):
  def limited():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))

  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output, f'--workers={workers}')
  done = jobs.run(arguments, preexec_fn=limited)
  match = check_refusal(done, f"the shard '{re.escape(str(output))}/.*'")
  assert match[1] == 'File too large'
  assert jobs.check_whole(output, undisturbed) < len(undisturbed)
  again = jobs.run(arguments)
  assert again.returncode == 0, again.stderr
  assert jobs.digests(output) == undisturbed


def test_a_folder_that_may_not_be_written_is_a_sentence(corpus, tmp_path):
  blocked = tmp_path / 'file'
  blocked.write_text('')
  done = jobs.run(jobs.argv(corpus, blocked / 'data'))
  assert done.returncode == 2
  assert f"--output='{blocked}/data' cannot be used as a folder: Not a directory." in done.stderr
