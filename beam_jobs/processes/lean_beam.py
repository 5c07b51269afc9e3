"""Beam without pandas, which it imports wherever that is installed, for data frames of its own.

No job here has any, and each process would pay for it: a second of the processor and 45 MiB.
"""

import importlib
import sys

_PANDAS = 'pandas'


def load() -> None:
  """Imports Beam; whoever asks for pandas later finds it."""
  if _PANDAS in sys.modules:
    importlib.import_module('apache_beam')
    return
  sys.modules[_PANDAS] = None  # type: ignore[assignment]  # So Python says that there is none.
  try:
    importlib.import_module('apache_beam')
  finally:
    del sys.modules[_PANDAS]
