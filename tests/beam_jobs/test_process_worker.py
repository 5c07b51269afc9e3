"""The worker that a cluster starts as a process, against a runner's provision service."""

import concurrent.futures
import os
import subprocess
import sys

import grpc
import pytest
from apache_beam.portability.api import (
  beam_provision_api_pb2,
  beam_provision_api_pb2_grpc,
  endpoints_pb2,
)
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format, struct_pb2, text_format

from beam_jobs import process_worker


class Provision(beam_provision_api_pb2_grpc.ProvisionServiceServicer):
  def __init__(self):
    self.asked_by = []

  def GetProvisionInfo(self, request, context):  # noqa: N802 - gRPC's name.
    self.asked_by.append(dict(context.invocation_metadata())['worker_id'])
    options = struct_pb2.Struct()
    json_format.ParseDict({'beam:option:job_name:v1': 'digits'}, options)
    return beam_provision_api_pb2.GetProvisionInfoResponse(
      info=beam_provision_api_pb2.ProvisionInfo(
        pipeline_options=options,
        logging_endpoint=endpoints_pb2.ApiServiceDescriptor(url='localhost:1001'),
        control_endpoint=endpoints_pb2.ApiServiceDescriptor(url='localhost:1002'),
        runner_capabilities=['one', 'two'],
      )
    )


@pytest.fixture
def provision():
  servicer = Provision()
  server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
  beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(servicer, server)
  servicer.endpoint = f'localhost:{server.add_insecure_port("localhost:0")}'
  server.start()
  yield servicer
  server.stop(0)


@pytest.fixture
def became(provision, monkeypatch):
  """What the process turns into: program, arguments and environment."""
  calls = []
  monkeypatch.setattr(os, 'execve', lambda *call: calls.append(call))
  monkeypatch.delenv('OPENBLAS_NUM_THREADS', raising=False)
  # Runners give endpoints that a container would want, too.
  process_worker.main(
    ['--id=3-1', f'--provision_endpoint={provision.endpoint}', '--artifact_endpoint=x:1']
  )
  return calls[0]


def test_it_becomes_beams_worker(became):
  program, arguments, environment = became
  assert program == sys.executable
  assert arguments == [sys.executable, '-m', 'apache_beam.runners.worker.sdk_worker_main']
  assert environment['PATH'] == os.environ['PATH']


def test_the_worker_is_told_what_the_runner_said(became, provision):
  environment = became[2]
  assert provision.asked_by == ['3-1'] and environment['WORKER_ID'] == '3-1'
  for name, url in (('LOGGING', 'localhost:1001'), ('CONTROL', 'localhost:1002')):
    endpoint = endpoints_pb2.ApiServiceDescriptor()
    text_format.Merge(environment[f'{name}_API_SERVICE_DESCRIPTOR'], endpoint)
    assert endpoint.url == url
  assert environment['RUNNER_CAPABILITIES'] == 'one two'
  assert environment['OPENBLAS_NUM_THREADS'] == '1'


def test_beam_reads_the_options_back(became):
  options = sdk_worker_main._load_pipeline_options(became[2]['PIPELINE_OPTIONS'])
  assert options == {'job_name': 'digits'}


def test_a_number_of_blas_threads_that_is_set_stays(provision, monkeypatch):
  monkeypatch.setenv('OPENBLAS_NUM_THREADS', '4')
  info = beam_provision_api_pb2.ProvisionInfo()
  assert process_worker.worker_environment(info, '1')['OPENBLAS_NUM_THREADS'] == '4'


def test_it_imports_no_tensorflow():
  code = 'import beam_jobs.process_worker, sys; assert "tensorflow" not in sys.modules'
  subprocess.run([sys.executable, '-c', code], check=True)
