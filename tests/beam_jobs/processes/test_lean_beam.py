"""Beam is imported without pandas, which stays there for others."""

import subprocess
import sys

CODE = """
import sys
from beam_jobs.processes import lean_beam
lean_beam.load()
from apache_beam.runners.worker import sdk_worker_main
assert 'pandas' not in sys.modules, 'pandas was imported'
import importlib.util
print(importlib.util.find_spec('pandas') is not None)
"""


def test_beam_comes_without_pandas():
  done = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True, check=True)
  assert done.stdout.strip() in ('True', 'False')
