"""The data job on Beam's portable job server: the same bytes, wherever the workers are."""

import signal
import time

import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from tests.beam_jobs import corpora
from tests.engines import launcher, portable_server
from tests.helpers import waits

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
      # The server says it before the launcher knows the job's number; here it is known for long.
      waits.until(lambda: list((tmp_path / 'out').rglob('*.tmp-*')))
      job.interrupt()
      code = job.wait(300)
    finally:
      job.stop()
    states = [one.state for one in jobs.GetStateStream(running, timeout=300)]
  # The job is over. Its workers live in the launcher: now and then they end it before the server
  # is told, or a thread of theirs that computes ends the launcher by SIGABRT at the very last. That
  # it is cancelled where the launcher knows it, or does not yet, is held without processes
  # (tests/beam_jobs/launching/test_cancelling.py).
  ended = (beam_job_api_pb2.JobState.CANCELLED, beam_job_api_pb2.JobState.FAILED)
  assert states[-1] in ended, (states, job.log())
  assert code in (130, -signal.SIGABRT), job.log_tail()
  assert 'interrupted: run the same command again' in job.log()


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
