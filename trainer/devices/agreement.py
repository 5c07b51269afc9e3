"""Sees to it that all workers of a training mean the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas import errors
from trainer.devices import workers as workers_lib


def agree(start: str, meant: Mapping[str, Any], workers: workers_lib.Workers) -> str:
  """Returns how the run begins, which the chief knows.

  Args:
    start: What this worker takes for it.
    meant: What must be the same everywhere, by the name that is said where it is not.
    workers: All of them ask.

  Raises:
    ConfigError: if this worker means another thing than the chief.
  """
  message = json.dumps({'start': start, 'meant': meant}).encode()
  theirs = json.loads(workers.from_chief(message if workers.is_chief else None))
  for name, value in json.loads(json.dumps(meant)).items():
    if theirs['meant'][name] != value:
      raise errors.ConfigError(
        f'This is worker {workers.index}, and {name} is {value!r} here and '
        f'{theirs["meant"][name]!r} at worker 0. Give all workers the same flags and data.'
      )
  return str(theirs['start'])
