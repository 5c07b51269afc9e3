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

# Copies make the job long enough to lose a machine in its middle.
SLOW = ['--augment=time_stretch', '--augment=pitch_shift', '--augment_copies=12']
MANY_SHARDS = '--min_train_shards=32'


@pytest.fixture(scope='module')
def made_of():
  try:
    return distribution.fetch()
  except error.EngineError as missing:  # Java, Maven, or the network on the first time.
    pytest.skip(f'No Flink to be had here: {missing}')


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=50)


@pytest.fixture
def flink(made_of, tmp_path):
  folder = tmp_path / 'flink'
  folder.mkdir()
  with cluster.running(made_of, folder) as running:
    yield running


@pytest.fixture
def process_workers(tmp_path):
  """Options for workers that the TaskManagers start as processes."""
  command = tmp_path / 'worker'
  command.write_text(
    f'#!/bin/sh\ncd {shlex.quote(str(launcher.ROOT))}\n'
    f'exec {shlex.quote(sys.executable)} -m beam_jobs.process_worker "$@"\n'
  )
  command.chmod(0o755)
  return [
    '--environment_type=PROCESS',
    f'--environment_config={json.dumps({"command": str(command)})}',
    # Else every step of the pipeline starts processes of its own.
    '--environment_cache_millis=60000',
  ]


def options(made_of, address):
  return [
    '--runner=FlinkRunner', f'--flink_master={address}', f'--flink_version={made_of.flink_line}',
    f'--flink_job_server_jar={made_of.job_server}', '--parallelism=2',
  ]  # fmt: skip


def test_flink_writes_the_same_bytes(made_of, flink, corpus, process_workers, tmp_path):
  here = launcher.run(corpus, tmp_path / 'here', '--workers=0')
  there = launcher.run(
    corpus, tmp_path / 'there', *options(made_of, flink.address), *process_workers,
    logs=flink.log_tails,
  )  # fmt: skip
  assert len(launcher.shards(here)) > 16
  assert launcher.digests(there) == launcher.digests(here)
  jobs = flink.jobs()
  assert [job['state'] for job in jobs] == ['FINISHED']
  # Both TaskManagers wrote shards: the control that the cluster was one.
  write = next(vertex for vertex in jobs[0]['vertices'] if 'Write' in vertex['name'])
  where = flink.rest(f'jobs/{jobs[0]["jid"]}/vertices/{write["id"]}/taskmanagers')
  assert len(where['taskmanagers']) == 2


def test_the_same_bytes_where_a_task_manager_is_killed(
  made_of, flink, corpus, process_workers, tmp_path
):
  here = launcher.run(corpus, tmp_path / 'here', '--workers=2', *SLOW, MANY_SHARDS)
  output = tmp_path / 'there'
  job = launcher.start(
    corpus, output, *options(made_of, flink.address), *process_workers, *SLOW, MANY_SHARDS
  )
  try:
    await_shards(output, 3, job, flink)
    flink.kill_task_manager(1)
    done = len(launcher.shards(output))
    launcher.finish(job, logs=flink.log_tails)
  finally:
    job.stop()
  assert launcher.digests(output) == launcher.digests(here)
  assert done < len(launcher.shards(here)) / 2, 'The job was nearly done before the kill.'
  jobs = flink.jobs()
  assert [job['state'] for job in jobs] == ['FINISHED']
  assert flink.failures(jobs[0]['jid']), 'The job ran on nothing of the TaskManager that was lost.'
  assert flink.num_task_managers() == 1


@pytest.mark.usefixtures('ctrl_c')
def test_ctrl_c_cancels_the_job_on_the_cluster(made_of, flink, corpus, process_workers, tmp_path):
  output = tmp_path / 'out'
  job = launcher.start(
    corpus, output, *options(made_of, flink.address), *process_workers, *SLOW, MANY_SHARDS
  )
  try:
    await_shards(output, 1, job, flink)
    job.interrupt()
    assert job.wait(60) == 130, job.log_tail()
  finally:
    job.stop()
  assert 'Traceback' not in job.log()
  assert 'interrupted: run the same command again' in job.log().splitlines()[-1]
  deadline_s = time.monotonic() + 60
  while (jobs := flink.jobs())[0]['state'] == 'CANCELLING' and time.monotonic() < deadline_s:
    time.sleep(0.2)
  assert [job['state'] for job in jobs] == ['CANCELED']
  assert f'Cancelled the job {jobs[0]["jid"]} on http://{flink.address}.' in job.log()
  assert not (output / 'manifest.json').exists()


@pytest.mark.fsdd
@pytest.mark.skipif('VOXSHARD_FSDD' not in os.environ, reason='VOXSHARD_FSDD names no folder')
def test_real_recordings_give_the_same_bytes(made_of, flink, process_workers, tmp_path):
  digits = pathlib.Path(os.environ['VOXSHARD_FSDD'])
  names = 'pattern={label}_{speaker}_{take}.wav'
  here = launcher.run(digits, tmp_path / 'here', '--workers=2', pattern=names)
  there = launcher.run(
    digits, tmp_path / 'there', *options(made_of, flink.address), *process_workers,
    pattern=names, logs=flink.log_tails,
  )  # fmt: skip
  assert launcher.digests(there) == launcher.digests(here)


def test_what_a_worker_of_the_cluster_finds_wrong_is_a_sentence(
  made_of, flink, process_workers, tmp_path
):
  (tmp_path / 'empty').mkdir()
  said = launcher.refused(
    launcher.start(
      tmp_path / 'empty', tmp_path / 'out', *options(made_of, flink.address), *process_workers
    )
  )
  assert said.startswith('error: There is no audio file below')


def test_a_cluster_that_is_not_there_is_a_sentence(made_of, corpus, process_workers, tmp_path):
  job = launcher.start(corpus, tmp_path / 'out', *options(made_of, '127.0.0.1:1'), *process_workers)
  said = launcher.refused(job)
  assert '--runner=FlinkRunner did not run the job' in said and 'Connection refused' in said
  assert 'the address of the cluster' in said


def await_shards(output: pathlib.Path, count: int, job: process.Process, flink) -> None:
  deadline_s = time.monotonic() + 180
  while len(launcher.shards(output)) < count:
    assert job.is_running, f'{job.log_tail()}\n{flink.log_tails()}'
    assert time.monotonic() < deadline_s, f'No shards.\n{job.log_tail()}\n{flink.log_tails()}'
    time.sleep(0.1)
