"""A cloud on this machine: a bucket, Dataflow's stand-in, a worker, and a checkout to launch."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from tests.beam_jobs import corpora
from tests.engines import dataflow_environment, dataflow_service, gcs_emulator, gcs_session

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ('schemas', 'tfrecords', 'features', 'pages', 'exports', 'beam_jobs', 'trainer')
_WORKER = pathlib.Path(__file__).parent / 'dataflow_worker.py'
BUCKET = 'voices'


class Cloud:
  """A bucket, a service, and one worker machine; and a checkout from which jobs are launched."""

  def __init__(self, folder: pathlib.Path) -> None:
    self._folder = folder
    self.corpus = corpora.make_words(folder / 'corpus', takes=12)
    (self.corpus / 'yes' / 'fay_9.wav').write_bytes(b'RIFF and then nothing')
    self.storage = gcs_emulator.GcsEmulator()
    self.service = dataflow_service.DataflowService(self._work)
    self.checkout = _checkout(folder / 'checkout')
    self.session: dict[str, str] = {}
    self.environment: dict[str, str] = {}
    self.worker_python: pathlib.Path | None = None

  def __enter__(self) -> 'Cloud':
    self.storage.__enter__()
    self.service.__enter__()
    self.session = gcs_session.write_environment(self._folder, self.storage.url)
    self.environment = {
      **{name: value for name, value in os.environ.items() if name != 'PYTHONPATH'},
      **self.session,
    }
    self.storage.make_bucket(BUCKET)
    self.storage.put_folder(BUCKET, 'audio', self.corpus)
    return self

  def __exit__(self, *_: object) -> None:
    self.service.__exit__()
    self.storage.__exit__()

  def launch(self, *more: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs the command as a program, and waits for its end."""
    return subprocess.run(
      [sys.executable, '-m', 'beam_jobs.featurize', *self.command_line(*more, without=without)],
      cwd=self.checkout,
      env=self.environment,
      capture_output=True,
      text=True,
      timeout=900,
    )

  def command_line(self, *more: str, without: tuple[str, ...] = ()) -> list[str]:
    """Returns the flags of the command of docs/running-at-scale.md, and further ones."""
    flags = [
      '--runner=DataflowRunner', '--project=emulated', '--region=us-central1',
      f'--temp_location=gs://{BUCKET}/tmp', f'--staging_location=gs://{BUCKET}/staging',
      '--setup_file=./setup.py', '--no_auth', f'--dataflow_endpoint={self.service.url}',
      f'--input=gs://{BUCKET}/audio', f'--output=gs://{BUCKET}/data', *corpus_flags(),
    ]  # fmt: skip
    kept = [flag for flag in flags if not flag.startswith(without or ('none',))]
    return [*kept, *more]

  def staged(self, name: str) -> pathlib.Path:
    """Returns a local copy of what the last launch staged under a name."""
    (found,) = [
      each['location']
      for each in self.service.jobs[-1]['environment']['workerPools'][0]['packages']
      if each['name'] == name
    ]
    return self._fetch(found.removeprefix(f'storage.googleapis.com/{BUCKET}/'))

  def _work(self, job: dict) -> None:
    """Does a job as the service would: from what lies in the bucket, and nothing else."""
    url = job['environment']['sdkPipelineOptions']['options']['pipelineUrl']
    request = self._folder / 'job.json'
    request.write_text(json.dumps(job))
    self.worker_python = dataflow_environment.install(self.staged('workflow.tar.gz'))
    done = subprocess.run(
      [self.worker_python, _WORKER, self._fetch(url.removeprefix(f'gs://{BUCKET}/')), request],
      cwd=self._folder,
      env=self.environment,
      capture_output=True,
      text=True,
      timeout=900,
    )
    if done.returncode:
      raise RuntimeError(done.stderr[-4000:])

  def _fetch(self, name: str) -> pathlib.Path:
    path = self._folder / 'fetched' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(self.storage.get(BUCKET, name))
    return path


def corpus_flags() -> list[str]:
  """What is the same on Dataflow and on this machine."""
  return [
    '--source=file_names:pattern={label}/{speaker}_{take}.wav', '--sample_rate_hz=8000',
    '--clip_seconds=0.5', '--feature=log_mel:num_mels=20', '--min_train_shards=3',
  ]  # fmt: skip


def _checkout(folder: pathlib.Path) -> pathlib.Path:
  """Copies what setup.py packs: building a package writes into the tree."""
  for name in PACKAGES:
    shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__'))
  for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
    shutil.copy(ROOT / name, folder / name)
  return folder
