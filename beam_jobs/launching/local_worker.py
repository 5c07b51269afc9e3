"""A worker process on the launcher's machine: Beam's own, that ends with its launcher.

Started by local_runner.py as `python -m beam_jobs.launching.local_worker LAUNCHER_PID`.
"""

import gc
import sys

from beam_jobs.processes import lifeline

# New objects, not counting those that are gone again, after which Python looks for cycles.
_GARBAGE_OBJECTS = 50_000


def main() -> None:
  """Runs Beam's worker with what the launcher left in the environment."""
  lifeline.end_with_parent(int(sys.argv[1]))
  # Here, not above: a second of imports in which the launcher could be gone.
  from apache_beam.runners.worker import sdk_worker_main  # noqa: PLC0415

  # What is imported stays: without this the collector goes through it again and again while
  # references are made, which took a third of the listing's time. They hold no cycles.
  gc.freeze()
  gc.set_threshold(_GARBAGE_OBJECTS, 10, 10)
  sdk_worker_main.main(sys.argv)


if __name__ == '__main__':
  main()
