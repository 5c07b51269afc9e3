"""The data job on Beam's portable job server: the same bytes, wherever the workers are."""

import time

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from tests.beam_jobs import corpora
from tests.engines import launcher, portable_server

pytestmark = pytest.mark.engines


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=20)


@pytest.fixture(scope='module')
def here(corpus, tmp_path_factory):
  return launcher.here(corpus, tmp_path_factory.mktemp('here') / 'data')


def test_a_job_server_in_the_launcher_writes_the_same_bytes(corpus, here, tmp_path):
  runner = ['--runner=PortableRunner', '--job_endpoint=embed', '--environment_type=LOOPBACK']
  output = launcher.run(corpus, tmp_path / 'out', *runner)
  assert launcher.digests(output) == launcher.digests(here)


def test_a_job_server_elsewhere_writes_the_same_bytes(corpus, here, tmp_path):
  with portable_server.job_server(tmp_path) as endpoint:
    runner = ['--runner=PortableRunner', f'--job_endpoint={endpoint}']
    output = launcher.run(corpus, tmp_path / 'out', *runner, '--environment_type=LOOPBACK')
  assert launcher.digests(output) == launcher.digests(here)


def test_workers_of_a_pool_write_the_same_bytes(corpus, here, tmp_path):
  with (
    portable_server.job_server(tmp_path) as endpoint,
    portable_server.worker_pool(tmp_path) as pool,
  ):
    output = launcher.run(
      corpus, tmp_path / 'out', '--runner=PortableRunner', f'--job_endpoint={endpoint}',
      '--environment_type=EXTERNAL', f'--environment_config={pool}',
    )  # fmt: skip
  assert launcher.digests(output) == launcher.digests(here)


def test_another_seed_is_another_order_there_too(corpus, here, tmp_path):
  runner = ['--runner=PortableRunner', '--job_endpoint=embed', '--environment_type=LOOPBACK']
  output = launcher.run(corpus, tmp_path / 'out', *runner, '--seed=1')
  assert not set(launcher.digests(output).values()) & {
    digest for name, digest in launcher.digests(here).items() if 'tfrecord' in name
  }


@pytest.mark.usefixtures('ctrl_c')
def test_ctrl_c_cancels_the_job_at_its_job_server(corpus, tmp_path):
  with portable_server.job_server(tmp_path) as endpoint, grpc.insecure_channel(endpoint) as channel:
    jobs = beam_job_api_pb2_grpc.JobServiceStub(channel)
    job = launcher.start(
      corpus, tmp_path / 'out', '--runner=PortableRunner', f'--job_endpoint={endpoint}',
      '--environment_type=LOOPBACK', '--augment=time_stretch', '--augment_copies=50',
    )  # fmt: skip
    try:
      running = await_running(jobs, job)
      job.interrupt()
      assert job.wait(300) == 130, job.log_tail()
    finally:
      job.stop()
    states = [one.state for one in jobs.GetStateStream(running, timeout=300)]
  # Not FAILED, as where a launcher goes and takes the workers with it.
  assert states[-1] == beam_job_api_pb2.JobState.CANCELLED
  assert 'Traceback' not in job.log() and 'may go on' not in job.log()


def await_running(jobs, job):
  deadline_s = time.monotonic() + 300
  while True:
    assert job.is_running and time.monotonic() < deadline_s, job.log_tail()
    for one in jobs.GetJobs(beam_job_api_pb2.GetJobsRequest()).job_info:
      if one.state == beam_job_api_pb2.JobState.RUNNING:
        return beam_job_api_pb2.GetJobStateRequest(job_id=one.job_id)
    time.sleep(0.1)


def test_a_job_server_that_is_not_there_is_a_sentence(corpus, tmp_path):
  job = launcher.start(
    corpus, tmp_path / 'out', '--runner=PortableRunner', '--job_endpoint=localhost:1',
    '--environment_type=LOOPBACK', '--job_server_timeout=3',
  )  # fmt: skip
  said = launcher.refused(job)
  assert '--runner=PortableRunner did not run the job' in said
