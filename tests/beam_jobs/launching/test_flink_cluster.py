"""What is said of a Flink cluster before Beam's job server, which needs Java, is started for it."""

import socket

import pytest

from beam_jobs import featurize
from beam_jobs.launching import flags, flink_cluster
from schemas import command, errors
from tests.beam_jobs import corpora


@pytest.fixture
def closed_port():
  with socket.socket() as taken:
    taken.bind(('127.0.0.1', 0))  # And nobody listens.
    yield taken.getsockname()[1]


def check(*options):
  flink_cluster.check(flags.beam_options(['--runner=FlinkRunner', *options]))


def test_a_cluster_that_is_not_there_ends_the_job_at_once(closed_port, tmp_path, capfd):
  corpora.make_words(tmp_path / 'in', takes=1)
  master = f'--flink_master=127.0.0.1:{closed_port}'
  argv = corpora.argv(tmp_path / 'in', tmp_path / 'out', '--runner=FlinkRunner', master)
  assert command.run(featurize.main, argv) == 2
  (said,) = capfd.readouterr().err.splitlines()
  assert said == (
    f"error: --flink_master='127.0.0.1:{closed_port}': nothing answers there (Connection refused). "
    'Give the address of the REST service of a cluster that runs: --flink_master=HOST:PORT.'
  )
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  'address', ['127.0.0.1:{}', ' http://127.0.0.1:{}/', 'https://127.0.0.1:{}']
)
def test_a_cluster_that_answers_is_left_to_beam(address):
  with socket.create_server(('127.0.0.1', 0)) as cluster:
    check(f'--flink_master={address.format(cluster.getsockname()[1])}')


@pytest.mark.parametrize(
  ('address', 'said'),
  [
    ('flink.example:REST', 'names no port'),
    (':8081', 'names no host'),
    ('a..b:8081', 'nothing answers there'),
  ],
)
def test_an_address_that_is_none_is_said(address, said):
  with pytest.raises(errors.ConfigError, match=said) as error:
    check(f'--flink_master={address}')
  assert repr(address) in str(error.value)


@pytest.mark.parametrize(
  ('failure', 'said'),
  [
    (socket.gaierror(-2, 'Name or service not known'), 'Name or service not known'),
    (TimeoutError('timed out'), 'timed out'),
  ],
)
def test_a_host_that_is_not_reached_is_said(monkeypatch, failure, said):
  tried = []

  def connect(where, timeout):
    tried.append(where)
    raise failure

  monkeypatch.setattr(socket, 'create_connection', connect)
  with pytest.raises(errors.ConfigError, match=rf"'flink.example': nothing answers there \({said}"):
    check('--flink_master=flink.example')
  assert tried == [('flink.example', 8081)]


@pytest.mark.parametrize(
  'option', ['--flink_master=[local]', '--flink_master=[auto]', '--job_endpoint=elsewhere:8099',
             '--output_executable_path=job.jar'],
)  # fmt: skip
def test_a_cluster_that_the_launcher_does_not_speak_to_is_not_looked_for(option, closed_port):
  check(f'--flink_master=127.0.0.1:{closed_port}', option)


def test_without_an_address_beam_starts_a_cluster_of_its_own():
  check()
