"""SIGKILL of the launcher, of a worker and of the demo's synthesizer, in the midst of work."""

import os
import random
import shutil
import signal
import time

import pytest

from tests.faults import jobs

pytestmark = pytest.mark.faults

NUM_SHARDS = 18
# (least number of finished shards to wait for, further seconds at random).
_RANDOM = random.Random(4)
EARLY = [(0, _RANDOM.uniform(0.1, 3.0)) for _ in range(2)]
MIDST = [(num_finished, _RANDOM.uniform(0, 0.1)) for num_finished in (1, 7, 14)]


def environment(tmp_path):
  """An own place for temporary files, so that what is left there is seen."""
  scratch = tmp_path / 'scratch'
  scratch.mkdir()
  return {**os.environ, 'TMPDIR': str(scratch)}


def kill_at(process, output, *, num_finished, delay_s):
  """Kills the launcher; returns the worker processes that it had."""
  jobs.wait_for(
    lambda: len(jobs.finished(output)) >= num_finished or process.poll() is not None,
    what=f'{num_finished} shards',
  )
  time.sleep(delay_s)
  workers = jobs.children(process.pid)
  jobs.kill(process)
  return workers


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize(
  ('num_finished', 'delay_s'), [*EARLY, *MIDST], ids=lambda value: f'{value:.3g}'
)
def test_a_killed_launcher_leaves_whole_files_and_the_same_command_finishes(
  corpus, undisturbed, tmp_path, num_finished, delay_s, workers
):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output, f'--workers={workers}')
  env = environment(tmp_path)
  process = jobs.start(arguments, env=env)
  orphans = kill_at(process, output, num_finished=num_finished, delay_s=delay_s)
  # No worker goes on behind the back of the next launcher.
  jobs.wait_for(lambda: not any(map(jobs.is_alive, orphans)), what='the workers')
  if output.exists():
    jobs.check_whole(output, undisturbed)
  before = jobs.finished(output) if output.exists() else {}
  assert len(before) >= num_finished

  again = jobs.run(arguments, env=env)
  assert again.returncode == 0, again.stderr
  assert jobs.digests(output) == undisturbed
  after = jobs.finished(output)
  assert len(after) == NUM_SHARDS
  assert {name: after[name] for name in before} == before
  assert jobs.temporaries(output) == []
  assert list((tmp_path / 'scratch').glob('voxshard-*')) == []


def test_a_worker_in_mid_shard_ends_with_its_launcher(corpus, tmp_path):
  output = tmp_path / 'data'
  # One shard of some ten seconds: left alone, its worker would write it to the end.
  process = jobs.start(
    jobs.argv(corpus, output, '--workers=2', '--min_train_shards=1', '--augment_copies=15')
  )
  jobs.wait_for(
    lambda: any('-train.tfrecord-' in name for name in jobs.temporaries(output)), what='the shard'
  )
  workers = jobs.children(process.pid)
  jobs.kill(process)
  jobs.wait_for(lambda: not any(map(jobs.is_alive, workers)), what='the workers')
  assert not list(output.glob('*-train.tfrecord-00000-of-00001'))


def test_a_job_that_is_killed_again_and_again_gets_there(corpus, undisturbed, tmp_path):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output, '--workers=2')
  for num_finished in (3, 12):
    process = jobs.start(arguments)
    kill_at(process, output, num_finished=num_finished, delay_s=0)
    jobs.check_whole(output, undisturbed)
  before = jobs.finished(output)
  assert jobs.run(arguments).returncode == 0
  assert jobs.digests(output) == undisturbed
  assert before.items() <= jobs.finished(output).items()


def test_a_rerun_of_a_finished_job_writes_no_shard_and_overwrite_writes_all(
  corpus, undisturbed, tmp_path
):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output)
  process = jobs.start(arguments)
  kill_at(process, output, num_finished=5, delay_s=0)
  assert jobs.run(arguments).returncode == 0
  before = jobs.finished(output)
  assert jobs.run(arguments).returncode == 0
  assert jobs.finished(output) == before
  done = jobs.run([*arguments, '--overwrite'])
  assert done.returncode == 0, done.stderr
  assert not jobs.finished(output).items() & before.items()
  assert jobs.digests(output) == undisturbed


def test_a_killed_jobs_folder_refuses_other_settings_and_says_which(corpus, undisturbed, tmp_path):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output)
  process = jobs.start(arguments)
  kill_at(process, output, num_finished=3, delay_s=0)
  before = jobs.finished(output)
  done = jobs.run([*arguments, '--seed=7'])
  assert done.returncode == 2
  assert 'holds a data set of other settings: seed was 0, now 7' in jobs.sentence(done.stderr)
  assert jobs.finished(output) == before
  assert jobs.run([*arguments, '--seed=7', '--overwrite']).returncode == 0
  assert jobs.temporaries(output) == []
  shards = {name: digest for name, digest in jobs.digests(output).items() if 'tfrecord' in name}
  assert len(shards) == NUM_SHARDS
  assert not shards.items() & undisturbed.items()


@pytest.mark.parametrize('num_finished', [0, 8])
def test_a_killed_worker_ends_the_job_with_a_sentence_and_a_rerun_completes_it(
  corpus, undisturbed, tmp_path, num_finished
):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output, '--workers=2')
  process = jobs.start(arguments)
  # In mid-shard: it has begun one and not ended it.
  jobs.wait_for(
    lambda: (
      len(jobs.finished(output)) >= num_finished
      and any('.tfrecord-' in name for name in jobs.temporaries(output))
    ),
    what='a shard in the making',
  )
  workers = jobs.children(process.pid)
  assert len(workers) == 2
  os.kill(random.Random(num_finished).choice(workers), signal.SIGKILL)
  _, err = process.communicate(timeout=jobs.TIMEOUT_S)
  assert process.returncode == 2
  assert jobs.sentence(err).startswith('error: A worker process ended before its time')
  assert 'run the same command again' in err
  jobs.wait_for(lambda: not any(map(jobs.is_alive, workers)), what='the workers')
  jobs.check_whole(output, undisturbed)
  before = jobs.finished(output)
  again = jobs.run(arguments)
  assert again.returncode == 0, again.stderr
  assert jobs.digests(output) == undisturbed
  assert before.items() <= jobs.finished(output).items()
  assert jobs.temporaries(output) == []


@pytest.mark.parametrize('delay_s', [0.0, 1.0])
def test_a_worker_that_is_killed_as_it_starts_does_not_leave_the_job_waiting(
  corpus, undisturbed, tmp_path, delay_s
):
  output = tmp_path / 'data'
  arguments = jobs.argv(corpus, output, '--workers=2')
  process = jobs.start(arguments)
  workers = jobs.wait_for(lambda: jobs.children(process.pid), what='a worker')
  time.sleep(delay_s)
  os.kill(workers[0], signal.SIGKILL)
  _, err = process.communicate(timeout=jobs.TIMEOUT_S)
  assert process.returncode == 2
  assert jobs.sentence(err).startswith('error: A worker process ended before its time')
  assert jobs.temporaries(output) == []
  assert jobs.run(arguments).returncode == 0
  assert jobs.digests(output) == undisturbed


def test_the_file_that_a_worker_dies_of_is_named(corpus, tmp_path):
  # A decoder that crashes, as the C libraries may: it ends the process at one file. In truth: a
  # signal to a process is taken by whichever thread, while this one goes on.
  # The other worker is met in the midst of another file, which is not blamed.
  (tmp_path / 'sitecustomize.py').write_text(
    """
import ctypes, os, sys, time
if 'beam_jobs.launching.local_worker' in sys.orig_argv:
  from features.decoding import clips
  decode = clips.decode
  at = os.path.join(os.path.dirname(__file__), 'at-')
  def crashing(data, *args, **kwargs):
    if b'poison' in data[-16:]:
      open(at + 'poison', 'w').close()
      for _ in range(3_000):  # It may have done all of its own.
        if os.path.exists(at + 'another'):
          break
        time.sleep(0.01)
      ctypes.string_at(0)
    if os.path.exists(at + 'poison') and not os.path.exists(at + 'another'):
      open(at + 'another', 'w').close()
      time.sleep(5)
    return decode(data, *args, **kwargs)
  clips.decode = crashing
"""
  )
  root = tmp_path / 'corpus'
  shutil.copytree(corpus, root)
  with open(root / 'yes' / 'bob_3.wav', 'ab') as stream:
    stream.write(b'poison')
  env = {**os.environ, 'PYTHONPATH': f'{tmp_path}:{jobs.ROOT}'}
  done = jobs.run(jobs.argv(root, tmp_path / 'data', '--workers=2'), env=env)
  assert done.returncode == 2
  assert f'It was decoding {str(root / "yes" / "bob_3.wav")!r}.' in jobs.sentence(done.stderr)


@pytest.mark.parametrize('delay_s', [0.1, 0.5])
def test_a_killed_demo_leaves_nothing_and_is_made_whole_the_next_time(tmp_path, delay_s):
  root = tmp_path / 'demo' / 'corpus'
  arguments = [
    f'--input={root}', f'--output={tmp_path / "data"}', '--notfds_metadata', '--workers=0',
  ]  # fmt: skip
  process = jobs.start([*arguments, '--source=synthetic:takes=100'])  # A minute's work.
  jobs.wait_for(lambda: list(root.parent.glob('corpus.tmp-*')), what='the corpus in the making')
  time.sleep(delay_s)
  synthesizers = jobs.children(process.pid)
  jobs.kill(process)
  assert not root.exists()
  jobs.wait_for(lambda: not any(map(jobs.is_alive, synthesizers)), what='eSpeak')
  assert list(root.parent.glob('corpus.tmp-*'))
  done = jobs.run([*arguments, '--source=synthetic:takes=1'])
  assert done.returncode == 0, done.stderr
  assert [path.name for path in root.parent.iterdir()] == ['corpus']
