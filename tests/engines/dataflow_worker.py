"""What a Dataflow worker does with a staged pipeline. Runs in the worker's own environment.

  python dataflow_worker.py PIPELINE_PROTO JOB_REQUEST

Nothing of this repository is imported here: what the pipeline needs must have come with the staged
package. As on Dataflow, every process of the worker is Beam's own sdk_worker_main.
"""

import json
import pathlib
import shlex
import sys

from apache_beam.options import pipeline_options
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner

_PROCESSES = 2


def main(pipeline_path: str, job_path: str) -> None:
  """Runs the pipeline of a job request to its end."""
  pipeline = beam_runner_api_pb2.Pipeline.FromString(pathlib.Path(pipeline_path).read_bytes())
  command = f'{shlex.quote(sys.executable)} -m apache_beam.runners.worker.sdk_worker_main'
  for environment in pipeline.components.environments.values():
    # In place of the container: a process of this environment, where the package is installed.
    environment.urn = python_urns.SUBPROCESS_SDK
    environment.payload = command.encode()
    del environment.dependencies[:]
  job = json.loads(pathlib.Path(job_path).read_text(encoding='utf-8'))
  given = job['environment']['sdkPipelineOptions']['options']
  # The request's struct knows no integers.
  options = pipeline_options.PipelineOptions.from_dictionary(
    {
      name: int(value) if isinstance(value, float) and value.is_integer() else value
      for name, value in given.items()
    }
  )
  options.view_as(pipeline_options.DirectOptions).direct_num_workers = _PROCESSES
  runner = fn_runner.FnApiRunner()
  runner.run_via_runner_api(pipeline, options).wait_until_finish()


if __name__ == '__main__':
  main(*sys.argv[1:])
