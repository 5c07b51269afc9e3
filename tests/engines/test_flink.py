"""The data job on a standalone Flink cluster: the same bytes, also when a machine is lost."""

import json
import os
import pathlib
import shlex
import sys
import time

import pytest

from tests.beam_jobs import corpora
from tests.engines import error, launcher, process
from tests.engines.flink import cluster, distribution

pytestmark = pytest.mark.engines

# Of so many shards a job can be held here with work left for each of two TaskManagers.
NUM_SHARDS = 16
HELD_AT = 3


@pytest.fixture(scope='module')
def made_of():
  try:
    return distribution.fetch()
  except error.EngineError as missing:  # Java, Maven, or the network on the first time.
    pytest.skip(f'No Flink to be had here: {missing}')


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=50)


@pytest.fixture(scope='module')
def here(corpus, tmp_path_factory):
  return launcher.here(corpus, tmp_path_factory.mktemp('here') / 'data')


@pytest.fixture(scope='module')
def flink(made_of, tmp_path_factory):
  with cluster.running(made_of, tmp_path_factory.mktemp('flink')) as running:
    yield running


@pytest.fixture
def hold(tmp_path):
  """As long as this file is there, a job with held workers stops in its middle."""
  path = tmp_path / 'hold'
  path.touch()
  return path


def options(made_of, address):
  return [
    '--runner=FlinkRunner', f'--flink_master={address}', f'--flink_version={made_of.flink_line}',
    f'--flink_job_server_jar={made_of.job_server}', '--parallelism=2',
    # It lives for one job.
    '--job_server_jvm_properties=-XX:TieredStopAtLevel=1',
    '--job_server_jvm_properties=-XX:+UseSerialGC',
  ]  # fmt: skip


def workers(folder, *module):
  """Options for workers that the TaskManagers start as processes."""
  command = folder / 'worker'
  program = shlex.join([sys.executable, '-m', *(module or ['beam_jobs.process_worker'])])
  command.write_text(
    f'#!/bin/sh\ncd {shlex.quote(str(launcher.ROOT))}\nOPENBLAS_NUM_THREADS=1 exec {program} "$@"\n'
  )
  command.chmod(0o755)
  return [
    '--environment_type=PROCESS',
    f'--environment_config={json.dumps({"command": str(command)})}',
    # Else every step of the pipeline starts processes of its own.
    '--environment_cache_millis=60000',
  ]


def held_workers(folder, hold):
  return workers(folder, 'tests.engines.held_worker', str(hold), str(HELD_AT))


def test_flink_writes_the_same_bytes(made_of, flink, corpus, here, tmp_path):
  there = launcher.run(
    corpus, tmp_path / 'there', *options(made_of, flink.address), *workers(tmp_path),
    logs=flink.log_tails,
  )  # fmt: skip
  assert len(launcher.shards(here)) >= NUM_SHARDS
  assert launcher.digests(there) == launcher.digests(here)
  job = flink.jobs()[-1]
  assert job['state'] == 'FINISHED'
  # Both TaskManagers wrote shards: the control that the cluster was one.
  write = next(vertex for vertex in job['vertices'] if 'Write' in vertex['name'])
  where = flink.rest(f'jobs/{job["jid"]}/vertices/{write["id"]}/taskmanagers')
  assert len(where['taskmanagers']) == 2


def test_the_same_bytes_where_a_task_manager_is_killed(
  made_of, flink, corpus, here, hold, tmp_path
):
  output = tmp_path / 'there'
  job = launcher.start(
    corpus, output, *options(made_of, flink.address), *held_workers(tmp_path, hold)
  )
  try:
    await_shards(output, HELD_AT, job, flink)
    flink.kill_task_manager(1)
    assert len(launcher.shards(output)) < NUM_SHARDS / 2
    hold.unlink()
    launcher.finish(job, logs=flink.log_tails)
    lost = flink.num_task_managers()
  finally:
    job.stop()
    flink.replace_task_manager(1)
  assert launcher.digests(output) == launcher.digests(here)
  ended = flink.jobs()[-1]
  assert ended['state'] == 'FINISHED'
  assert flink.failures(ended['jid']), 'The job ran on nothing of the TaskManager that was lost.'
  assert lost == 1


@pytest.mark.usefixtures('ctrl_c')
def test_ctrl_c_cancels_the_job_on_the_cluster(made_of, flink, corpus, hold, tmp_path):
  output = tmp_path / 'out'
  job = launcher.start(
    corpus, output, *options(made_of, flink.address), *held_workers(tmp_path, hold)
  )
  try:
    await_shards(output, HELD_AT, job, flink)
    job.interrupt()
    assert job.wait(300) == 130, job.log_tail()
  finally:
    job.stop()
  assert 'Traceback' not in job.log()
  assert 'interrupted: run the same command again' in job.log().splitlines()[-1]
  deadline_s = time.monotonic() + 300
  while (ended := flink.jobs()[-1])['state'] == 'CANCELLING' and time.monotonic() < deadline_s:
    time.sleep(0.2)
  assert ended['state'] == 'CANCELED'
  assert f'Cancelled the job {ended["jid"]} on http://{flink.address}.' in job.log()
  assert not (output / 'manifest.json').exists()


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_real_recordings_give_the_same_bytes(made_of, flink, tmp_path):
  digits = pathlib.Path(os.environ['VOXSHARD_FSDD'])
  names = 'pattern={label}_{speaker}_{take}.wav'
  here = launcher.run(digits, tmp_path / 'here', '--workers=2', pattern=names)
  there = launcher.run(
    digits, tmp_path / 'there', *options(made_of, flink.address), *workers(tmp_path),
    pattern=names, logs=flink.log_tails,
  )  # fmt: skip
  assert launcher.digests(there) == launcher.digests(here)


def test_what_a_worker_of_the_cluster_finds_wrong_is_a_sentence(made_of, flink, tmp_path):
  (tmp_path / 'empty').mkdir()
  said = launcher.refused(
    launcher.start(
      tmp_path / 'empty', tmp_path / 'out', *options(made_of, flink.address), *workers(tmp_path)
    )
  )
  assert said.startswith('error: There is no audio file below')


def await_shards(output: pathlib.Path, count: int, job: process.Process, flink) -> None:
  deadline_s = time.monotonic() + 600
  while len(launcher.shards(output)) < count:
    assert job.is_running, f'{job.log_tail()}\n{flink.log_tails()}'
    assert time.monotonic() < deadline_s, f'No shards.\n{job.log_tail()}\n{flink.log_tails()}'
    time.sleep(0.1)
