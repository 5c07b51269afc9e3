"""Starts a Flink cluster on this machine, to try the data job on.

  python -m tests.engines.flink

Needs Java and Maven. The first time it fetches some 400 MB. It says the options of the job and
runs until Ctrl-C.
"""

import pathlib
import signal
import sys
import tempfile

from tests.engines import error
from tests.engines.flink import cluster, distribution


def main() -> int:
  """Runs until it is interrupted; returns the exit code."""
  # Also a polite kill runs what stands in `finally`.
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  try:
    made_of = distribution.fetch()
    worker = pathlib.Path(sys.executable).parent / 'voxshard-worker'
    with tempfile.TemporaryDirectory(prefix='flink-of-voxshard-') as folder:
      with cluster.running(made_of, pathlib.Path(folder)) as flink:
        print(
          f'Flink runs at http://{flink.address}. Options of the job:\n'
          f'  --runner=FlinkRunner --flink_master={flink.address} '
          f'--flink_version={made_of.flink_line} \\\n'
          f'  --flink_job_server_jar={made_of.job_server} \\\n'
          '  --parallelism=2 --environment_type=PROCESS \\\n'
          f'  --environment_config=\'{{"command": "{worker}"}}\'\n'
          'Ctrl-C ends it.',
          flush=True,
        )
        signal.pause()
  except error.EngineError as failure:
    print(f'error: {failure}', file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    pass
  return 0


if __name__ == '__main__':
  sys.exit(main())
