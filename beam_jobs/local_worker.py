"""A worker process on the launcher's machine: Beam's own, that ends with its launcher.

Started by beam_jobs.launch as `python -m beam_jobs.local_worker LAUNCHER_PID FOLDER`.
"""

import sys

from beam_jobs import lifeline, worker_watch


def main() -> None:
  """Runs Beam's worker with what the launcher left in the environment."""
  launcher_pid, folder = sys.argv[1:]
  lifeline.end_with_parent(int(launcher_pid))
  worker_watch.sign_in(folder)
  # Here, not above: a second of imports in which the launcher could be gone.
  from apache_beam.runners.worker import sdk_worker_main  # noqa: PLC0415

  sdk_worker_main.main(sys.argv)


if __name__ == '__main__':
  main()
