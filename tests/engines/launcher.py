"""The data job as a program on a runner, judged by the bytes it leaves."""

import hashlib
import pathlib
import sys
from collections.abc import Callable, Sequence

from beam_jobs import featurize
from schemas import command
from tests.engines import process

ROOT = pathlib.Path(__file__).parent.parent.parent
PATTERN = 'pattern={label}/{speaker}_{take}.wav'


def here(corpus: pathlib.Path, output: pathlib.Path, *options: str) -> pathlib.Path:
  """Runs the job in this process, which must succeed; returns its output."""
  command_line = _command_line(corpus, output, PATTERN, *options, '--workers=0')
  assert command.run(featurize.main, command_line) == 0
  return output


def start(
  corpus: pathlib.Path, output: pathlib.Path, *options: str, pattern: str = PATTERN
) -> process.Process:
  """Starts the job; its log is beside the output."""
  return process.Process(
    'featurize',
    [
      sys.executable,
      '-m',
      'beam_jobs.featurize',
      *_command_line(corpus, output, pattern, *options),
    ],
    log_path=output.with_name(f'{output.name}.log'),
    folder=ROOT,
  )


def _command_line(
  corpus: pathlib.Path, output: pathlib.Path, pattern: str, *options: str
) -> list[str]:
  return [
    f'--source=file_names:{pattern}', f'--input={corpus}', f'--output={output}',
    '--sample_rate_hz=8000', '--clip_seconds=0.5', '--feature=log_mel:num_mels=20',
    '--notfds_metadata', *options,
  ]  # fmt: skip


def finish(
  job: process.Process, *, timeout_s: float = 600, logs: Callable[[], str] = lambda: ''
) -> str:
  """Waits for a job that must succeed; returns what it printed.

  Args:
    job: A started job.
    timeout_s: How long it may take.
    logs: What the failure message shows beside the job's own log.
  """
  try:
    code = job.wait(timeout_s)
  finally:
    job.stop()
  how = f'still ran after {timeout_s} s' if code is None else f'ended with {code}'
  assert code == 0, f'The job {how}.\n{job.log_tail()}\n{logs()}'
  return job.log()


def run(corpus: pathlib.Path, output: pathlib.Path, *options: str, **kwargs) -> pathlib.Path:
  """Runs the job, which must succeed; returns its output."""
  logs = kwargs.pop('logs', lambda: '')
  finish(start(corpus, output, *options, **kwargs), logs=logs)
  return output


def digests(output: pathlib.Path) -> dict[str, str]:
  """Returns the SHA-256 of every file of a data set by name; the job's notes are none of it."""
  return {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(output.iterdir())
    if path.is_file()
  }


def shards(output: pathlib.Path) -> Sequence[pathlib.Path]:
  """Returns the shards that are there under their final names."""
  return sorted(output.glob('*.tfrecord-?????-of-?????'))


def refused(job: process.Process, *, timeout_s: float = 600) -> str:
  """Waits for a job that must end with one sentence; returns the sentence."""
  try:
    code = job.wait(timeout_s)
  finally:
    job.stop()
  lines = job.log().strip().splitlines()
  assert code == 2, job.log_tail()
  assert [line for line in lines if line.startswith('error: ')] == lines[-1:], job.log_tail()
  assert 'Traceback' not in job.log()
  return lines[-1]
