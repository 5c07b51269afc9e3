"""The data job on Beam's portable job server: the same bytes, wherever the workers are."""

import pytest

from tests.beam_jobs import corpora
from tests.engines import launcher, portable_server

pytestmark = pytest.mark.engines


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return corpora.make_words(tmp_path_factory.mktemp('corpus'), takes=20)


@pytest.fixture(scope='module')
def here(corpus, tmp_path_factory):
  return launcher.run(corpus, tmp_path_factory.mktemp('here') / 'data', '--workers=0')


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


def test_a_job_server_that_is_not_there_is_a_sentence(corpus, tmp_path):
  job = launcher.start(
    corpus, tmp_path / 'out', '--runner=PortableRunner', '--job_endpoint=localhost:1',
    '--environment_type=LOOPBACK', '--job_server_timeout=3',
  )  # fmt: skip
  said = launcher.refused(job)
  assert '--runner=PortableRunner did not run the job' in said
