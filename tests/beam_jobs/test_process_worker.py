"""The worker that a cluster starts as a process, against a runner's provision service."""

import concurrent.futures
import gc
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


def run(provision, monkeypatch):
  """Starts the worker; returns the environment variables with which Beam's own begins."""
  found = {}
  monkeypatch.setattr(os, 'environ', dict(os.environ))
  monkeypatch.setattr(sdk_worker_main, 'main', lambda _: found.update(os.environ))
  monkeypatch.setattr(gc, 'freeze', lambda: None)
  monkeypatch.setattr(gc, 'set_threshold', lambda *_: None)
  # Runners give endpoints that a container would want, too.
  process_worker.main(
    ['--id=3-1', f'--provision_endpoint={provision.endpoint}', '--artifact_endpoint=x:1']
  )
  return found


@pytest.fixture
def became(provision, monkeypatch):
  return run(provision, monkeypatch)


def test_the_worker_is_told_what_the_runner_said(became, provision):
  assert provision.asked_by == ['3-1'] and became['WORKER_ID'] == '3-1'
  for name, url in (('LOGGING', 'localhost:1001'), ('CONTROL', 'localhost:1002')):
    endpoint = endpoints_pb2.ApiServiceDescriptor()
    text_format.Merge(became[f'{name}_API_SERVICE_DESCRIPTOR'], endpoint)
    assert endpoint.url == url
  assert became['RUNNER_CAPABILITIES'] == 'one two'


def test_beam_reads_the_options_back(became):
  options = sdk_worker_main._load_pipeline_options(became['PIPELINE_OPTIONS'])
  assert options == {'job_name': 'digits'}


@pytest.mark.parametrize('given, expected', [(None, '1'), ('4', '4')])
def test_blas_has_one_thread_where_no_number_is_set(provision, monkeypatch, given, expected):
  if given:
    monkeypatch.setenv('OPENBLAS_NUM_THREADS', given)
  else:
    monkeypatch.delenv('OPENBLAS_NUM_THREADS', raising=False)
  assert run(provision, monkeypatch)['OPENBLAS_NUM_THREADS'] == expected


# NumPy looks at that number when it is imported, and never again.
IMPORTS = """
import sys
from beam_jobs import process_worker
assert 'numpy' not in sys.modules, 'too early'
process_worker.lean_beam.load()
from apache_beam.runners.worker import sdk_worker_main
assert 'numpy' in sys.modules and 'tensorflow' not in sys.modules
"""


def test_it_imports_no_tensorflow_and_numpy_only_when_it_runs():
  subprocess.run([sys.executable, '-c', IMPORTS], check=True)
