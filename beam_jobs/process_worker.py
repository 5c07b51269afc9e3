"""A Beam worker as a process on a machine of the cluster, where there is no Docker.

  --environment_type=PROCESS --environment_config='{"command": "/opt/voxshard/bin/voxshard-worker"}'

The runner starts the command with two arguments and says everything else over gRPC, as Beam's
container contract has it. Nothing is installed here: the command stands in an environment that
holds Voxshard, at the same path on every machine.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Any

from beam_jobs.processes import beam_worker, lean_beam

_TIMEOUT_S = 60


def main(argv: Sequence[str] | None = None) -> None:
  """Asks the runner what to do and is Beam's worker until the runner ends it."""
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--id', required=True, help='Name that the runner gives the worker.')
  parser.add_argument('--provision_endpoint', required=True, help='HOST:PORT of the runner.')
  # A runner may say more than this worker wants to know.
  arguments, _ = parser.parse_known_args(argv)
  # One BLAS thread each, as for local workers. Before Beam: NumPy looks once.
  os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
  lean_beam.load()
  info = _ask(arguments.provision_endpoint, arguments.id)
  os.environ.update(worker_environment(info, arguments.id))
  # In this very process: another one would import Beam a second time, three seconds of processor.
  beam_worker.run()


def worker_environment(info: Any, worker_id: str) -> Mapping[str, str]:
  """Returns the environment variables that Beam's worker reads, from a ProvisionInfo."""
  from google.protobuf import json_format, text_format  # noqa: PLC0415 - They come with Beam.

  return {
    'WORKER_ID': worker_id,
    'PIPELINE_OPTIONS': json_format.MessageToJson(info.pipeline_options),
    'LOGGING_API_SERVICE_DESCRIPTOR': text_format.MessageToString(info.logging_endpoint),
    'CONTROL_API_SERVICE_DESCRIPTOR': text_format.MessageToString(info.control_endpoint),
    'RUNNER_CAPABILITIES': ' '.join(info.runner_capabilities),
  }


def _ask(endpoint: str, worker_id: str) -> Any:
  """Returns the runner's ProvisionInfo."""
  from apache_beam.portability.api import (  # noqa: PLC0415 - As above.
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
  )
  from apache_beam.runners.worker import channel_factory  # noqa: PLC0415

  with channel_factory.GRPCChannelFactory.insecure_channel(endpoint) as channel:
    service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
    answer = service.GetProvisionInfo(
      beam_provision_api_pb2.GetProvisionInfoRequest(),
      metadata=[('worker_id', worker_id)],
      timeout=_TIMEOUT_S,
    )
  return answer.info


if __name__ == '__main__':
  main()
