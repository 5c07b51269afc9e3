"""Ctrl-C of the launcher ends the job where it runs on a cluster, too.

Beam leaves it running: nobody would know of it, and the same command again would meet it in the
output folder. Of a job on Dataflow that is wanted; it is left alone.
"""

import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any

import apache_beam as beam
from apache_beam.options import pipeline_options
from apache_beam.runners import runner
from apache_beam.runners.portability import flink_runner, portable_runner

_TIMEOUT_S = 10.0
# States of a Flink job that needs no end any more.
_ENDED = ('FINISHED', 'FAILED', 'CANCELLING', 'CANCELED')


def run(root: beam.Pipeline) -> None:
  """Runs a pipeline to its end; an interrupt cancels it where Beam's portable runners have it."""
  cluster = _flink_cluster(root)
  if cluster:
    google = root.options.view_as(pipeline_options.GoogleCloudOptions)  # Theirs is the name.
    google.job_name = google.job_name or f'voxshard-{uuid.uuid4().hex[:12]}'
  result = None
  try:
    result = root.run()
    result.wait_until_finish()
  except KeyboardInterrupt:
    if cluster:
      _cancel_on_flink(cluster, google.job_name)
    elif result and isinstance(root.runner, portable_runner.PortableRunner):
      _cancel_by_job_server(result)
    raise


def _flink_cluster(root: beam.Pipeline) -> str:
  """Returns the URL of the cluster's REST service; empty where there is none."""
  if not isinstance(root.runner, flink_runner.FlinkRunner):
    return ''
  address = root.options.view_as(pipeline_options.FlinkRunnerOptions).flink_master
  if address in flink_runner.MAGIC_HOST_NAMES:
    return ''  # Flink lives in the launcher's job server, and ends with it.
  return str(root.runner.add_http_scheme(address)).rstrip('/')


def _cancel_on_flink(cluster: str, job_name: str) -> None:
  """Asks the cluster itself: Ctrl-C has ended the job server, which knew the job's number."""
  try:
    jobs = _ask(f'{cluster}/jobs/overview')['jobs']
    running = [job['jid'] for job in jobs if job['name'] == job_name and job['state'] not in _ENDED]
    if len(running) > 1:
      _say(f'{len(running)} jobs on {cluster} are called {job_name!r}: none was cancelled.')
      return
    for number in running:
      _ask(f'{cluster}/jobs/{urllib.parse.quote(number)}?mode=cancel', method='PATCH')
      _say(f'Cancelled the job {number} on {cluster}.')
  except (OSError, ValueError, KeyError) as error:  # URLError is an OSError.
    _say(f'The job {job_name!r} may go on: {cluster} did not cancel it ({error}).')


def _ask(url: str, *, method: str = 'GET') -> Any:
  request = urllib.request.Request(url, method=method)
  with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
    return json.loads(answer.read() or b'{}')


def _cancel_by_job_server(result: runner.PipelineResult) -> None:
  try:
    result.cancel()
  except Exception as error:  # Whatever the job server's client raises.
    first_line = str(error).strip().partition('\n')[0]
    _say(f'The job may go on: its job server did not cancel it ({first_line}).')


def _say(text: str) -> None:
  with contextlib.suppress(OSError):
    print(text, file=sys.stderr)
