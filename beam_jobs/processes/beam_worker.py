"""Beam's worker in this process, whoever started it."""

import gc

from beam_jobs.processes import lean_beam

# New objects, not counting those that are gone again, after which Python looks for cycles.
_GARBAGE_OBJECTS = 50_000


def run() -> None:
  """Runs Beam's worker with what stands in the environment variables, until its runner ends it."""
  lean_beam.load()
  from apache_beam.runners.worker import sdk_worker_main  # noqa: PLC0415 - A second of imports.

  # What is imported stays: without this the collector goes through it again and again while
  # references are made, which took a third of the listing's time. They hold no cycles.
  gc.freeze()
  gc.set_threshold(_GARBAGE_OBJECTS, 10, 10)
  sdk_worker_main.main([])
