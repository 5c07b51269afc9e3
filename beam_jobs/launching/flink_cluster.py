"""What can be known of a Flink cluster before a job is sent to it.

Beam's job server starts first, and asks for a minute whether the cluster is there.
"""

import socket
import urllib.parse

from apache_beam.options import pipeline_options
from apache_beam.runners.portability import flink_runner

from schemas import errors

_TIMEOUT_S = 10.0
_DEFAULT_PORT = 8081  # Flink's own for its REST service.


def check(options: pipeline_options.PipelineOptions) -> None:
  """Checks that something answers where the cluster should be, if this launcher speaks to it.

  Args:
    options: Beam's.

  Raises:
    ConfigError: with the address, why nothing answers, and what to give.
  """
  address = options.view_as(pipeline_options.FlinkRunnerOptions).flink_master.strip()
  portable = options.view_as(pipeline_options.PortableOptions)
  if address in flink_runner.MAGIC_HOST_NAMES:
    return  # Flink is started in the job server.
  if portable.job_endpoint or portable.output_executable_path:
    return  # A job server elsewhere reaches the cluster, or nobody does yet.
  wanted = 'Give the address of the REST service of a cluster that runs: --flink_master=HOST:PORT.'
  url = urllib.parse.urlsplit(address if '://' in address else f'http://{address}')
  try:
    port = url.port or _DEFAULT_PORT
  except ValueError as error:
    raise errors.ConfigError(
      f'--flink_master={address!r} names no port: {error}. {wanted}'
    ) from error
  if not url.hostname:
    raise errors.ConfigError(f'--flink_master={address!r} names no host. {wanted}')
  try:
    socket.create_connection((url.hostname, port), timeout=_TIMEOUT_S).close()
  except (OSError, UnicodeError) as error:  # UnicodeError: of a name that no host can have.
    why = (isinstance(error, OSError) and error.strerror) or str(error)
    raise errors.ConfigError(
      f'--flink_master={address!r}: nothing answers there ({why}). {wanted}'
    ) from error
