"""Source files that change, grow or vanish while the job reads them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile

from beam_jobs.shards import reading
from features.decoding import clips
from schemas import audio
from tests.faults import jobs
from tfrecords import manifest_file, reader
from tfrecords.wire import codec

pytestmark = pytest.mark.faults

RATE_HZ = 16_000
# So long that a read takes some milliseconds, in which a writer gets its turn.
LONG_S = 120
SPEC = audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=float(LONG_S))

# Longer than a file has to be at rest.
REST_S = 0.3

# Writes a file over and over: all samples of one value, then all of the other. Leaves a note if it
# was held up for so long that the file was at rest, half old and half new: nobody can see that.
REWRITE = """
import pathlib, sys, time
path, size = sys.argv[1], int(sys.argv[2])
patterns = [bytes([value]) * size for value in (16, 48)]
last_s = time.monotonic()
with open(path, 'r+b', buffering=0) as file:
  while True:
    for pattern in patterns:
      for start in range(0, size, 1 << 18):
        file.seek(44 + start)
        file.write(pattern[start:start + (1 << 18)])
        now_s = time.monotonic()
        if now_s - last_s > 0.15:
          pathlib.Path(path + '.held-up').touch()
        last_s = now_s
"""
GROW = """
import pathlib, sys, time
last_s = time.monotonic()
with open(sys.argv[1], 'ab', buffering=0) as file:
  while True:
    file.write(bytes(200))
    now_s = time.monotonic()
    if now_s - last_s > 0.15:
      pathlib.Path(sys.argv[2] + '.held-up').touch()
    last_s = now_s
    time.sleep(0.001)
"""


@contextlib.contextmanager
def another_program(code, *arguments):
  process = subprocess.Popen([sys.executable, '-c', code, *map(str, arguments)])
  try:
    yield
  finally:
    process.kill()
    process.wait()


def is_held_up(path):
  """Whether the other program rested so long that its file was at rest."""
  return path.with_name(f'{path.name}.held-up').exists()


def wait_for_change(path):
  """Waits until another program writes to a file."""
  before_ns = path.stat().st_mtime_ns
  jobs.wait_for(lambda: path.stat().st_mtime_ns != before_ns, what='a writer')


def is_held_up_now(path):
  """Whether the other program, which still runs, rested so long that its file was at rest."""
  for _ in range(2):  # Behind the second write the note of a rest before the first is there.
    wait_for_change(path)
  return is_held_up(path)


def wait_for_size(path, num_bytes):
  jobs.wait_for(lambda: path.stat().st_size > num_bytes, what='the file to grow')


def write_steady(path, seconds=LONG_S):
  """Writes a file all samples of which are 0x1010."""
  path.parent.mkdir(parents=True, exist_ok=True)
  soundfile.write(path, np.full(int(seconds * RATE_HZ), 0x1010, np.int16), RATE_HZ)
  assert path.stat().st_size == 44 + int(seconds * RATE_HZ) * 2
  return path


def results(path, count):
  """Reads a file so many times; returns the reasons, and the sets of values that clips held."""
  reasons, values = [], []
  for _ in range(count):
    try:
      samples = reading.load(str(path), SPEC).samples
      values.append(sorted({int(value) for value in np.unique(samples * 32_768)}))
    except clips.ClipError as error:
      reasons.append(error.reason)
  return reasons, values


def test_a_file_that_is_rewritten_gives_one_state_of_it_or_none(tmp_path):
  for attempt in range(5):
    path = write_steady(tmp_path / f'{attempt}.wav')
    with another_program(REWRITE, path, LONG_S * RATE_HZ * 2):
      wait_for_change(path)
      reasons, values = results(path, 20)
      held_up = is_held_up_now(path)
    if not held_up:
      break
  else:
    pytest.skip('This machine is too busy to write a file without a pause.')
  assert set(reasons) == {'changed'}, (reasons, values)
  # Never a clip of which a part is old and a part new.
  assert all(value in ([0x1010], [0x3030]) for value in values)


def test_without_the_check_a_clip_would_be_torn(tmp_path):
  # The control: this writer does tear files.
  path = write_steady(tmp_path / 'x.wav')
  with another_program(REWRITE, path, LONG_S * RATE_HZ * 2):
    jobs.wait_for(
      lambda: len(np.unique(clips.decode(path.read_bytes(), SPEC).samples)) > 1, what='a torn clip'
    )


def test_a_file_that_grows_is_refused_and_taken_when_it_is_done(tmp_path):
  for attempt in range(5):
    path = write_steady(tmp_path / f'{attempt}.wav')
    with another_program(GROW, path, path):
      wait_for_size(path, 3_850_000)
      reasons, values = results(path, 10)
      held_up = is_held_up_now(path)
    if not held_up:
      break
  else:
    pytest.skip('This machine is too busy to write a file without a pause.')
  assert set(reasons) == {'changed'} and not values
  time.sleep(REST_S)
  # At rest, but its header does not say yet how much there is.
  assert results(path, 1) == (['wrong_size'], [])
  write_steady(path)
  time.sleep(REST_S)
  assert results(path, 1) == ([], [[0x1010]])


def test_a_file_that_was_just_finished_is_taken(tmp_path):
  path = write_steady(tmp_path / 'x.wav', seconds=1)
  assert results(path, 3)[0] == []


def test_an_excerpt_of_a_file_that_changes_is_refused(tmp_path):
  path = write_steady(tmp_path / 'x.wav')
  time.sleep(REST_S)
  with pytest.raises(clips.ClipError) as error, reading.opened(str(path)) as stream:
    stream.read(100)
    with open(path, 'ab') as other:
      other.write(b'more')
  assert error.value.reason == 'changed'
  # Also where the change has already led to another error.
  with pytest.raises(clips.ClipError) as error, reading.opened(str(path)) as stream:
    os.truncate(path, 1_000)
    raise clips.ClipError('truncated', 'Wanted more.')
  assert error.value.reason == 'changed'


def test_a_job_over_a_corpus_that_changes_lists_what_it_left_out(corpus, undisturbed, tmp_path):
  root = tmp_path / 'corpus'
  shutil.copytree(corpus, root)
  output = tmp_path / 'data'
  doomed = sorted((root / 'yes').glob('*_2*.wav'))
  growing = write_steady(root / 'no' / 'ann_77.wav')
  stop = threading.Event()

  def vanish():
    # From the first shard on, files go one by one, and a few end early or become folders.
    jobs.wait_for(lambda: jobs.finished(output) or stop.is_set(), what='a shard')
    for i, path in enumerate(doomed):
      if i % 3 == 1:
        os.truncate(path, 300)
      else:
        path.unlink()
        if i % 3 == 2:
          path.mkdir()
      time.sleep(0.005)

  thread = threading.Thread(target=vanish)
  thread.start()
  try:
    with another_program(GROW, growing, tmp_path / 'growing'):
      done = jobs.run(jobs.argv(root, output, '--workers=2', '--max_reject_fraction=0.5'))
  finally:
    stop.set()
    thread.join()
  assert done.returncode == 0, done.stderr
  rejects = [json.loads(line) for line in (output / 'rejects.jsonl').read_text().splitlines()]
  manifest = manifest_file.load(str(output))
  assert sum(manifest.rejects.values()) == len(rejects) > 1
  reasons = {'missing', 'truncated', 'not_a_file', 'changed'}
  changed = {'changed', 'wrong_size'} if is_held_up(tmp_path / 'growing') else {'changed'}
  assert {r['reason'] for r in rejects} <= reasons | changed
  by_file = {reject['utterance_id']: reject for reject in rejects}
  assert by_file['no/ann_77.wav']['reason'] in changed
  assert by_file.keys() - {'no/ann_77.wav'} <= {p.relative_to(root).as_posix() for p in doomed}
  assert all(reject['advice'] for reject in rejects)
  kept = {
    codec.decode(data, manifest.features).utterance_id
    for shard in manifest.shards
    for data in reader.read_records(str(output / shard.file_name))
  }
  # A file is read anew for each copy; of one that is not listed as rejected none is missing.
  trained = {speaker_of(name) for name in kept if '#copy' in name}
  every = {p.relative_to(root).as_posix() for p in corpus_files(corpus, root)} | {'no/ann_77.wav'}
  good = every - by_file.keys()
  copies = {f'{n}#copy{i}' for n in good if speaker_of(n) in trained for i in (1, 2, 3)}
  assert {name for name in kept if name.partition('#')[0] in good} == good | copies
  assert {name.partition('#')[0] for name in kept} <= every


def speaker_of(utterance_id):
  return utterance_id.partition('/')[2].partition('_')[0]


def corpus_files(corpus, root):
  return [root / path.relative_to(corpus) for path in corpus.rglob('*.wav')]


def test_a_corpus_that_vanishes_is_a_sentence_and_taken_when_it_is_back(
  corpus, undisturbed, tmp_path
):
  root = tmp_path / 'corpus'
  shutil.copytree(corpus, root)
  output = tmp_path / 'data'
  process = jobs.start(jobs.argv(root, output))
  jobs.wait_for(lambda: jobs.finished(output), what='the first shard')
  os.rename(root, tmp_path / 'elsewhere')
  _, err = process.communicate(timeout=jobs.TIMEOUT_S)
  assert process.returncode == 2
  assert 'missing' in err and '--max_reject_fraction' in err and 'Traceback' not in err
  # Put back, it is made whole: shards whose clips were missing are made anew, others are kept.
  os.rename(tmp_path / 'elsewhere', root)
  noted = [json.loads(note.read_text()) for note in (output / '.voxshard').glob('*-of-*.json')]
  whole = {note['info']['file_name'] for note in noted if not note['rejects']}
  before = jobs.finished(output)
  assert 0 < len(whole) < len(before)
  assert jobs.run(jobs.argv(root, output)).returncode == 0
  after = jobs.finished(output)
  assert {name for name in after if after[name] == before[name]} == whole
  assert manifest_file.load(str(output)).rejects == {}
  names = [name for name in undisturbed if 'tfrecord' in name]
  assert {name: jobs.digests(output)[name] for name in names} == {
    name: undisturbed[name] for name in names
  }
