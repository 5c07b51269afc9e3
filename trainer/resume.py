"""Whether a command begins a run or goes on with one. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from typing import Any

from schemas import errors
from trainer import config as config_lib
from trainer.data import datasets
from trainer.devices import strategies
from trainer.devices.strategies import multi_worker
from trainer.runs import run_folder

# Flags that may be others when a run goes on: they name places and rhythms, or the devices.
FREE = frozenset(
  {
    'cache',
    'cache_dir',
    'checkpoint_minutes',
    'checkpoint_steps',
    'data',  # Its manifest decides.
    'data_service',
    'histograms',
    'keep_checkpoints',
    'overwrite',
    'profile_steps',
    'resume',
    'run_dir',
    'run_name',
    'steps_per_execution',
    'strategy',
    'virtual_devices',
  }
)


class Start(enum.Enum):
  """How a run begins.

  Attributes:
    NEW: In a folder without a run, or one that is to be overwritten.
    ANEW: In a folder of a run of the same flags that came to no checkpoint.
    CONTINUED: From the latest checkpoint in its folder.
  """

  NEW = 'new'
  ANEW = 'anew'
  CONTINUED = 'continued'


def decide(config: config_lib.TrainConfig, data: datasets.Data) -> Start:
  """Returns how the run begins; nothing is touched.

  Raises:
    ConfigError: if the folder may not be used, or holds a run that cannot be gone on with.
  """
  folder = run_folder.RunFolder(config.run_dir)
  if strategies.parse(config.strategy)[0] == 'multi_worker' and multi_worker.task(os.environ).index:
    return Start.NEW  # The chief says how; this worker may not even see the folder.
  if not config.run_dir or config.overwrite or not os.path.exists(folder.config_file):
    if config.resume == config_lib.RESUME_MUST:
      raise errors.ConfigError(
        f'--resume=must: there is no run in --run_dir={config.run_dir} to go on with.'
      )
    if config.run_dir:
      folder.check_usable(overwrite=config.overwrite)
    return Start.NEW
  if config.resume == config_lib.RESUME_NEVER:
    folder.check_usable(overwrite=False)
  has_states = bool(folder.state_files())
  if os.path.exists(folder.outcome_file) or (not has_states and folder.came_to_a_checkpoint()):
    raise errors.ConfigError(
      f'--run_dir={config.run_dir} already holds a run, which is finished. Replace it with '
      '--overwrite, or name another folder.'
    )
  _check_same(config, data, folder)
  return Start.CONTINUED if has_states else Start.ANEW


def binding_flags(config: config_lib.TrainConfig) -> dict[str, Any]:
  """Returns the flags that decide what becomes of the weights."""
  return {name: value for name, value in config.to_json().items() if name not in FREE}


def _check_same(
  config: config_lib.TrainConfig, data: datasets.Data, folder: run_folder.RunFolder
) -> None:
  stored = folder.read_config()
  flags = stored.get('flags', {})
  # As JSON, which has lists for tuples.
  defaults = json.loads(json.dumps({f.name: f.default for f in dataclasses.fields(config)}))
  asked = json.loads(json.dumps(binding_flags(config)))
  differing = [
    f'--{name}={flags.get(name, defaults[name])}'
    for name, value in sorted(asked.items())
    if flags.get(name, defaults[name]) != value
  ]
  if differing:
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run that is not finished, with '
      f'{", ".join(differing)}. Go on with it by these flags, replace it with --overwrite, or name '
      'another folder.'
    )
  if stored.get('manifest_sha256') != data.digest:
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run that is not finished, on another data set than '
      f'{data.path!r} is now. Go on with it on the data of before, replace it with --overwrite, or '
      'name another folder.'
    )
