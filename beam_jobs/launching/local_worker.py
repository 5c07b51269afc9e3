"""A worker process on the launcher's machine: Beam's own, that ends with its launcher.

Started by local_runner.py as `python -m beam_jobs.launching.local_worker LAUNCHER_PID`.
"""

import sys

from beam_jobs.processes import beam_worker
from tfrecords.resources import lifeline


def main() -> None:
  """Runs Beam's worker with what the launcher left in the environment."""
  # First: while Beam is imported the launcher could be gone.
  lifeline.end_with_parent(int(sys.argv[1]))
  beam_worker.run()


if __name__ == '__main__':
  main()
