"""Ctrl-C on a cluster: what the launcher asks it, and what it says. tests/engines has real ones."""

import http.server
import json
import threading

import apache_beam as beam
import grpc
import pytest
from apache_beam.options import pipeline_options
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability import flink_runner, local_job_service, portable_runner

from beam_jobs.launching import cancelling


class _Flink(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self._send({'jobs': self.server.jobs})

  def do_PATCH(self):
    self.server.cancelled.append(self.path)
    self._send({})

  def _send(self, content):
    data = json.dumps(content).encode()
    self.send_response(200)
    self.send_header('Content-Length', str(len(data)))
    self.end_headers()
    self.wfile.write(data)

  def log_message(self, *args):
    pass


@pytest.fixture
def flink():
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Flink)
  server.jobs, server.cancelled = [], []
  threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
  yield server
  server.shutdown()
  server.server_close()


class Interrupted(flink_runner.FlinkRunner):
  """Is interrupted when the job is there."""

  def __init__(self, submitted=lambda name: None):
    super().__init__()
    self._submitted = submitted

  def run_pipeline(self, pipeline, options):
    self._submitted(options.view_as(pipeline_options.GoogleCloudOptions).job_name)
    raise KeyboardInterrupt


def run(runner, *arguments):
  options = pipeline_options.PipelineOptions(list(arguments))
  with pytest.raises(KeyboardInterrupt):
    cancelling.run(beam.Pipeline(runner=runner, options=options))


def job(name, *, jid='a', state='RUNNING'):
  return {'jid': jid, 'name': name, 'state': state}


def test_the_launchers_own_job_is_cancelled_and_no_other(flink, capsys):
  def submitted(name):
    flink.jobs = [job(f'{name}2'), job(name, jid='b', state='FAILED'), job(name, jid='c')]

  run(Interrupted(submitted), f'--flink_master=localhost:{flink.server_port}')
  assert flink.cancelled == ['/jobs/c?mode=cancel']
  assert 'Cancelled the job c on http://localhost' in capsys.readouterr().err


def test_every_launchers_job_has_a_name_of_its_own(flink):
  names, cluster = [], f'--flink_master=localhost:{flink.server_port}'
  for named in ([], [], ['--job_name=words']):
    run(Interrupted(names.append), cluster, *named)
  assert names[2] == 'words' and len(set(names)) == 3


def test_of_two_jobs_of_one_name_none_is_cancelled(flink, capsys):
  flink.jobs = [job('words'), job('words', jid='b')]
  run(Interrupted(), '--job_name=words', f'--flink_master=localhost:{flink.server_port}')
  assert not flink.cancelled
  assert "are called 'words': none was cancelled" in capsys.readouterr().err


def test_an_interrupt_before_there_is_a_job_says_nothing(flink, capsys):
  run(Interrupted(), f'--flink_master=localhost:{flink.server_port}')
  assert not flink.cancelled and not capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_said(capsys):
  run(Interrupted(), '--job_name=words', '--flink_master=127.0.0.1:1')
  said = capsys.readouterr().err
  assert "The job 'words' may go on: http://127.0.0.1:1 did not cancel it" in said
  assert said.count('\n') == 1


def test_a_flink_in_the_launcher_is_asked_nothing(capsys):
  run(Interrupted(), '--flink_master=[local]')
  assert not capsys.readouterr().err


_RELEASED = threading.Event()


def wait_for_release(element):
  _RELEASED.wait(600)
  return element


@pytest.fixture
def job_server(tmp_path):
  """Beam's own, in this process: so are the workers, which do not end before the test does."""
  _RELEASED.clear()
  server = local_job_service.LocalJobServicer(staging_dir=str(tmp_path))
  endpoint = f'localhost:{server.start_grpc_server()}'
  with grpc.insecure_channel(endpoint) as channel:
    yield endpoint, beam_job_api_pb2_grpc.JobServiceStub(channel)
    _RELEASED.set()
    for job in server._jobs.values():
      job._run_thread.join(300)
  server.stop()


def waiting_pipeline(endpoint, *arguments):
  options = [f'--job_endpoint={endpoint}', '--environment_type=LOOPBACK', *arguments]
  root = beam.Pipeline('PortableRunner', pipeline_options.PipelineOptions(options))
  root | beam.Create([1]) | beam.Map(wait_for_release)
  return root


def interrupted_on(endpoint, *arguments):
  with pytest.raises(KeyboardInterrupt):
    cancelling.run(waiting_pipeline(endpoint, *arguments))


def how_each_ended(jobs):
  ends = []
  for one in jobs.GetJobs(beam_job_api_pb2.GetJobsRequest()).job_info:
    request = beam_job_api_pb2.GetJobStateRequest(job_id=one.job_id)
    ends.append([state.state for state in jobs.GetStateStream(request, timeout=300)][-1])
  return [beam_job_api_pb2.JobState.Enum.Name(end) for end in ends]


def interrupt(*args, **kwargs):
  raise KeyboardInterrupt


def test_a_job_that_runs_is_cancelled_before_its_workers_end(job_server, monkeypatch, capsys):
  endpoint, jobs = job_server
  monkeypatch.setattr(portable_runner.time, 'sleep', interrupt)
  interrupted_on(endpoint)
  assert how_each_ended(jobs) == ['CANCELLED'] and not capsys.readouterr().err


def test_a_job_whose_number_the_launcher_does_not_know_is_cancelled(
  job_server, monkeypatch, capsys
):
  endpoint, jobs = job_server
  monkeypatch.setattr(portable_runner.PipelineResult, '__init__', interrupt)
  interrupted_on(endpoint)
  assert how_each_ended(jobs) == ['CANCELLED'] and not capsys.readouterr().err


def test_of_two_jobs_of_one_name_on_a_job_server_none_is_cancelled(job_server, monkeypatch, capsys):
  endpoint, jobs = job_server
  first = waiting_pipeline(endpoint, '--job_name=words').run()
  monkeypatch.setattr(portable_runner.PipelineResult, '__init__', interrupt)
  interrupted_on(endpoint, '--job_name=words')
  assert f"2 jobs on {endpoint} are called 'words': none was cancelled" in capsys.readouterr().err
  _RELEASED.set()
  first.wait_until_finish()
  assert how_each_ended(jobs) == ['DONE', 'DONE']


def test_a_job_server_that_has_gone_is_said(job_server, monkeypatch, capsys):
  endpoint, _ = job_server

  def gone(self, *args, **kwargs):
    raise grpc.RpcError('Nobody answers.\nNot a word.')

  monkeypatch.setattr(portable_runner.PipelineResult, 'cancel', gone)
  monkeypatch.setattr(portable_runner.time, 'sleep', interrupt)
  interrupted_on(endpoint)
  said = capsys.readouterr().err
  assert said == 'The job may go on: its job server did not cancel it (Nobody answers.).\n'
