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
import grpc
from apache_beam.options import pipeline_options
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners import runner
from apache_beam.runners.portability import flink_runner, portable_runner

_TIMEOUT_S = 10.0
# States of a Flink job that needs no end any more.
_ENDED = ('FINISHED', 'FAILED', 'CANCELLING', 'CANCELED')
# States of a job server's job that does, and the option in which it keeps the name: it calls every
# job of Beam's Python "job".
_UNENDED = tuple(
  beam_job_api_pb2.JobState.Enum.Value(name)
  for name in ('STARTING', 'RUNNING', 'DRAINING', 'UPDATING')
)
_JOB_NAME = 'beam:option:job_name:v1'
_FOREVER_MS = 1e15


def run(root: beam.Pipeline) -> None:
  """Runs a pipeline to its end; an interrupt cancels it where Beam's portable runners have it."""
  cluster, job_server = _flink_cluster(root), _job_server(root)
  google = root.options.view_as(pipeline_options.GoogleCloudOptions)  # Theirs is the name.
  if cluster or job_server:
    google.job_name = google.job_name or f'voxshard-{uuid.uuid4().hex[:12]}'
  result = None
  try:
    result = root.run()
    _wait(result)
  except KeyboardInterrupt:
    if cluster:
      _cancel_on_flink(cluster, google.job_name)
    elif isinstance(result, portable_runner.PipelineResult):
      _cancel_by_result(result)
    elif job_server:  # It may have the job already, of which the launcher knows no number yet.
      _cancel_on_job_server(job_server, google.job_name)
    raise


def _wait(result: runner.PipelineResult) -> None:
  if isinstance(result, portable_runner.PipelineResult):
    # Without a duration, an interrupt stops the workers that live in the launcher: the job fails
    # before it can be cancelled.
    result.wait_until_finish(duration=_FOREVER_MS)
  else:
    result.wait_until_finish()


def _flink_cluster(root: beam.Pipeline) -> str:
  """Returns the URL of the cluster's REST service; empty where there is none."""
  if not isinstance(root.runner, flink_runner.FlinkRunner):
    return ''
  address = root.options.view_as(pipeline_options.FlinkRunnerOptions).flink_master
  if address in flink_runner.MAGIC_HOST_NAMES:
    return ''  # Flink lives in the launcher's job server, and ends with it.
  return str(root.runner.add_http_scheme(address)).rstrip('/')


def _job_server(root: beam.Pipeline) -> str:
  """Returns HOST:PORT of a job server that outlives the launcher; empty where there is none."""
  if not isinstance(root.runner, portable_runner.PortableRunner):
    return ''
  endpoint = root.options.view_as(pipeline_options.PortableOptions).job_endpoint
  return '' if endpoint in (None, 'embed') else str(endpoint)


def _cancel_on_flink(cluster: str, job_name: str) -> None:
  """Asks the cluster itself: Ctrl-C has ended the job server, which knew the job's number."""
  try:
    jobs = _ask(f'{cluster}/jobs/overview')['jobs']
    running = [job['jid'] for job in jobs if job['name'] == job_name and job['state'] not in _ENDED]
    for number in _if_one(running, cluster, job_name):
      _ask(f'{cluster}/jobs/{urllib.parse.quote(number)}?mode=cancel', method='PATCH')
      _say(f'Cancelled the job {number} on {cluster}.')
  except (OSError, ValueError, KeyError) as error:  # URLError is an OSError.
    _say(f'The job {job_name!r} may go on: {cluster} did not cancel it ({error}).')


def _ask(url: str, *, method: str = 'GET') -> Any:
  request = urllib.request.Request(url, method=method)
  with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
    return json.loads(answer.read() or b'{}')


def _cancel_by_result(result: runner.PipelineResult) -> None:
  try:
    result.cancel()
  except Exception as error:  # Whatever the job server's client raises.
    _say(f'The job may go on: its job server did not cancel it ({_first_line(error)}).')


def _cancel_on_job_server(address: str, job_name: str) -> None:
  try:
    with grpc.insecure_channel(address) as channel:
      jobs = beam_job_api_pb2_grpc.JobServiceStub(channel)
      known = jobs.GetJobs(beam_job_api_pb2.GetJobsRequest(), timeout=_TIMEOUT_S).job_info
      running = [job.job_id for job in known if _name_of(job) == job_name and job.state in _UNENDED]
      for number in _if_one(running, address, job_name):
        jobs.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=number), timeout=_TIMEOUT_S)
  except grpc.RpcError as error:
    _say(f'The job may go on: its job server did not cancel it ({_first_line(error)}).')


def _if_one(running: list[str], where: str, job_name: str) -> list[str]:
  """Returns none of several jobs, of which one may be somebody else's, and says so."""
  if len(running) > 1:
    _say(f'{len(running)} jobs on {where} are called {job_name!r}: none was cancelled.')
    return []
  return running


def _name_of(job: beam_job_api_pb2.JobInfo) -> str:
  return str(job.pipeline_options.fields[_JOB_NAME].string_value)


def _first_line(error: Exception) -> str:
  return str(error).strip().partition('\n')[0]


def _say(text: str) -> None:
  with contextlib.suppress(OSError):
    print(text, file=sys.stderr)
