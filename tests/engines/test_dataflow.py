"""The job on Dataflow, whole: submitted as a user would, run as a worker would, without a cloud.

Cloud Storage is an emulator, Dataflow's service a stand-in that takes the request. The workers are
real: the staged package in an environment of its own, Beam's worker processes, the staged pipeline.
"""

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
import tarfile

import pytest

pytest.importorskip('gcp_storage_emulator', reason='it is in the extra [dev]')

from beam_jobs import featurize
from schemas import command
from tests.engines import dataflow_cloud, dataflow_environment
from tests.engines.dataflow_cloud import BUCKET, PACKAGES, ROOT

pytestmark = pytest.mark.engines


@dataclasses.dataclass(frozen=True)
class Run:
  cloud: dataflow_cloud.Cloud
  launcher: subprocess.CompletedProcess[str]
  job: dict


@pytest.fixture(scope='module')
def cloud(tmp_path_factory):
  with dataflow_cloud.Cloud(tmp_path_factory.mktemp('cloud')) as started:
    yield started


@pytest.fixture(scope='module')
def run(cloud):
  launcher = cloud.launch(
    '--job_name=words', '--labels=team=speech', '--labels=cost=research',
    '--worker_machine_type=n2-standard-4', '--num_workers=3', '--max_num_workers=9',
    '--disk_size_gb=50', '--experiments=use_runner_v2', '--number_of_worker_harness_threads=2',
    '--service_account_email=featurizer@emulated.iam.gserviceaccount.com',
  )  # fmt: skip
  assert launcher.returncode == 0, launcher.stderr
  return Run(cloud, launcher, cloud.service.jobs[0])


@pytest.fixture(scope='module')
def here(cloud, tmp_path_factory):
  """The same corpus featurized on this machine."""
  output = tmp_path_factory.mktemp('here') / 'data'
  flags = [f'--input={cloud.corpus}', f'--output={output}', '--workers=0']
  assert command.run(featurize.main, [*flags, *dataflow_cloud.corpus_flags()]) == 0
  return output


def test_the_launcher_waits_and_shows_the_data_set(run):
  assert f'gs://{BUCKET}/data' in run.launcher.stdout
  assert 'Traceback' not in run.launcher.stderr


def test_the_request_carries_what_the_user_asked_for(run):
  assert run.job['name'] == 'words'
  assert run.job['labels'] == {'team': 'speech', 'cost': 'research'}
  environment = run.job['environment']
  assert 'featurizer@' in environment['serviceAccountEmail']
  assert 'use_runner_v2' in environment['experiments']
  (pool,) = environment['workerPools']
  assert pool['machineType'] == 'n2-standard-4'
  assert pool['numWorkers'] == 3
  assert pool['diskSizeGb'] == 50
  assert pool['numThreadsPerWorker'] == 2
  assert pool['autoscalingSettings']['maxNumWorkers'] == 9


def test_the_request_asks_for_the_image_of_this_python(run):
  (image,) = run.job['environment']['workerPools'][0]['sdkHarnessContainerImages']
  version = f'python{sys.version_info.major}.{sys.version_info.minor}'
  assert f'beam_{version}_sdk' in image['containerImage']


def test_the_staged_package_holds_the_packages_and_no_tests(run):
  with tarfile.open(run.cloud.staged('workflow.tar.gz')) as archive:
    names = {name.partition('/')[2] for name in archive.getnames()}
  for package in PACKAGES:
    for path in (ROOT / package).rglob('*.py'):
      assert path.relative_to(ROOT).as_posix() in names
  assert not [name for name in names if name.startswith(('tests', 'benchmarks'))]


def test_the_worker_has_no_tensorflow(run):
  python = run.cloud.worker_python
  assert dataflow_environment.has_module(python, 'beam_jobs.featurize')
  for name in ('tensorflow', 'tensorflow_datasets', 'keras', 'librosa', 'pytest'):
    assert not dataflow_environment.has_module(python, name), name


def test_the_command_runs_where_only_the_package_is(run, tmp_path):
  done = subprocess.run(
    [run.cloud.worker_python, '-I', '-m', 'beam_jobs.featurize', '--help'],
    cwd=tmp_path, capture_output=True, text=True,
  )  # fmt: skip
  assert done.returncode == 0
  assert '--source' in done.stdout


def test_the_shards_are_those_of_this_machine(run, here):
  expected = {path.name: digest(path.read_bytes()) for path in here.glob('*.tfrecord-*')}
  assert len(expected) >= 5
  storage = run.cloud.storage
  written = [name for name in storage.names(BUCKET, 'data/') if '.tfrecord-' in name]
  found = {
    name.removeprefix('data/'): digest(storage.get(BUCKET, name))
    for name in written
    if '/.voxshard/' not in name
  }
  assert found == expected


def test_the_manifest_and_the_rejects_are_those_of_this_machine(run, here):
  there = json.loads(run.cloud.storage.get(BUCKET, 'data/manifest.json'))
  expected = json.loads((here / 'manifest.json').read_text())
  for each in (there, expected):
    # Where it was read and written, what was installed, and the digest of it all.
    del each['config'], each['versions'], each['digest']
  assert there == expected
  (reject,) = run.cloud.storage.get(BUCKET, 'data/rejects.jsonl').splitlines()
  assert json.loads(reject)['uri'] == f'gs://{BUCKET}/audio/yes/fay_9.wav'


def test_nothing_temporary_is_left(run):
  assert not [name for name in run.cloud.storage.names(BUCKET, 'data/') if '.tmp-' in name]


def test_the_same_command_again_takes_over_every_shard(run):
  storage = run.cloud.storage
  before = len(storage.requests)
  lost = sorted(name for name in storage.names(BUCKET, 'data/') if '-train.' in name)[-1]
  content = storage.get(BUCKET, lost)
  storage.remove(BUCKET, lost)
  storage.remove(BUCKET, 'data/manifest.json')
  assert run.cloud.launch().returncode == 0
  assert storage.get(BUCKET, lost) == content
  sent = [path for method, path in storage.requests[before:] if method == 'PUT']
  shards = {name for path in sent for name in re.findall(r'data%2F([\w.-]+)%3A', path)}
  assert {name for name in shards if '.tfrecord-' in name} == {lost.removeprefix('data/')}


def digest(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()
