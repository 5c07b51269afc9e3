"""SIGKILL of a job that asks a model, with real workers and a real model; the same again finishes.

The model is that of a run, which the launcher exports by a process of its own.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from pyarrow import parquet

from exports import clip_input, exported
from schemas import audio as audio_schema
from tests.faults import jobs
from tests.helpers import made_runs

pytestmark = pytest.mark.faults

NUM_SHARDS = 16


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs') / 'run'
  audio = audio_schema.AudioSpec(sample_rate_hz=8_000, clip_s=0.5)
  made_runs.make(folder, feature='log_mel:num_mels=20', audio=audio)
  return folder


# A worker waits at one recording until the file that this names is gone: killed in between, the job
# has some shards and not all, however late that is.
WAITS = """
import os, sys, time
if 'beam_jobs.launching.local_worker' in sys.orig_argv:
  from features.decoding import clips
  decode = clips.decode
  def waiting(data, *args, **kwargs):
    with open(os.environ['WAITS_AT'], 'rb') as stream:
      while data == stream.read() and os.path.exists(os.environ['WAITS']):
        stream.seek(0)
        time.sleep(0.02)
    return decode(data, *args, **kwargs)
  clips.decode = waiting
"""


def start(corpus, run_dir, output, **more):
  arguments = [
    f'--model={run_dir}', '--source=folders', f'--input={corpus}', f'--output={output}',
    '--shard_clips=19', '--workers=2',
  ]  # fmt: skip
  return subprocess.Popen(
    [sys.executable, '-m', 'beam_jobs.predict', *arguments],
    cwd=jobs.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    env={**os.environ, **more},
  )  # fmt: skip


def finished(output):
  """(inode, time of change) of every shard that the job has noted as whole."""
  notes = sorted((output / '.voxshard').glob('answers-*.json'))
  found = [output / note.stem for note in notes if '.tmp-' not in note.name]
  return {path.name: (os.stat(path).st_ino, os.stat(path).st_mtime_ns) for path in found}


def test_a_killed_job_is_finished_by_the_same_command_with_the_bytes_of_one_process(
  corpus, run_dir, tmp_path
):
  output = tmp_path / 'answers'
  (tmp_path / 'sitecustomize.py').write_text(WAITS)
  process = start(
    corpus, run_dir, output,
    PYTHONPATH=f'{tmp_path}:{jobs.ROOT}', WAITS=str(tmp_path / 'sitecustomize.py'),
    WAITS_AT=str(sorted(corpus.rglob('*.wav'))[150]),
  )  # fmt: skip
  jobs.wait_for(
    lambda: len(finished(output)) >= 3 or process.poll() is not None, what='three shards'
  )
  workers = jobs.children(process.pid)
  jobs.kill(process)
  jobs.wait_for(lambda: not any(map(jobs.is_alive, workers)), what='the workers')
  assert not (output / 'answers.json').exists()
  before = finished(output)
  for name in before:  # Whole, or they were not there.
    assert parquet.read_table(output / name).num_rows

  with start(corpus, run_dir, output) as process:
    _, error = process.communicate(timeout=jobs.TIMEOUT_S)
  assert process.returncode == 0, error
  after = finished(output)
  assert len(after) == NUM_SHARDS
  assert {name: after[name] for name in before} == before
  assert jobs.temporaries(output) == []

  rows = [row for name in sorted(after) for row in parquet.read_table(output / name).to_pylist()]
  assert [row['id'] for row in rows] == sorted(
    path.relative_to(corpus).as_posix() for path in corpus.rglob('*.wav')
  )
  model = exported.Exported(str(output / 'model'))
  for row in rows[::29]:
    clip = clip_input.decode((corpus / row['id']).read_bytes(), model.export)
    wanted = model.of_clips([clip.samples]).probabilities[0]
    assert row['answer'] == model.export.labels[int(np.argmax(wanted))]
    np.testing.assert_allclose(row['top_probabilities'], -np.sort(-wanted)[:3], atol=1e-4)

  again = subprocess.run(
    [
      sys.executable, '-m', 'beam_jobs.predict', f'--model={output / "model"}', '--source=folders',
      f'--input={corpus}', f'--output={tmp_path / "one"}', '--shard_clips=19', '--workers=0',
    ],
    cwd=jobs.ROOT, capture_output=True, text=True, timeout=jobs.TIMEOUT_S,
  )  # fmt: skip
  assert again.returncode == 0, again.stderr
  assert jobs.digests(tmp_path / 'one') == jobs.digests(output)
