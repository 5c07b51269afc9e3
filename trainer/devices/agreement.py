"""Sees to it that all workers of a training mean the same."""

from __future__ import annotations

import json

from schemas import errors
from trainer import config as config_lib
from trainer.data import datasets
from trainer.devices import workers as workers_lib
from trainer.runs import resume


def agree(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  start: resume.Start,
  workers: workers_lib.Workers,
) -> resume.Start:
  """Returns how the run begins, which the chief knows.

  Raises:
    ConfigError: if this worker was given other flags or other data than the chief.
  """
  meant = {**resume.binding_flags(config), 'the digest of --data': data.digest}
  message = json.dumps({'start': start.value, 'meant': meant}).encode()
  theirs = json.loads(workers.from_chief(message if workers.is_chief else None))
  for name, value in json.loads(json.dumps(meant)).items():
    if theirs['meant'][name] != value:
      raise errors.ConfigError(
        f'This is worker {workers.index}, and {name} is {value!r} here and '
        f'{theirs["meant"][name]!r} at worker 0. Give all workers the same flags and data.'
      )
  return resume.Start(theirs['start'])
