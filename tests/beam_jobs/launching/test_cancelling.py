"""Ctrl-C on a cluster: what the launcher asks it, and what it says. tests/engines has real ones."""

import http.server
import json
import threading

import apache_beam as beam
import pytest
from apache_beam.options import pipeline_options
from apache_beam.runners.portability import flink_runner

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
  threading.Thread(target=server.serve_forever, daemon=True).start()
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
