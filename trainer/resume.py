"""Whether a command begins a run or goes on with one. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from schemas import errors, options
from tfrecords import command_line
from trainer import config as config_lib
from trainer import models
from trainer.augment import chain
from trainer.data import datasets
from trainer.data.raw import files
from trainer.devices import strategies
from trainer.devices.strategies import multi_worker
from trainer.learning import teacher as teacher_lib
from trainer.runs import library_versions, run_folder

# Flags that may be others when a run goes on: they name places and rhythms, or the devices.
FREE = frozenset(
  {
    'cache',
    'cache_dir',
    'checkpoint_minutes',
    'checkpoint_steps',
    'data',  # Its manifest decides.
    'data_service',
    'find_learning_rate',  # It is no run.
    'fold',  # Which one of --folds.
    'histograms',
    'keep_checkpoints',
    'overwrite',
    'parallel_folds',
    'profile_steps',
    'resume',
    'run_dir',
    'run_name',
    'steps_per_execution',
    'strategy',
    'teacher',  # Its digest decides.
    'test',
    'virtual_devices',
  }
)


# Flags of which a run may be given more than it had, also when it is finished.
_MAY_BE_MORE = frozenset({'epochs', 'patience'})


class Start(enum.Enum):
  """How a run begins.

  Attributes:
    NEW: In a folder without a run, or one that is to be overwritten.
    ANEW: In a folder of a run of the same flags that came to no checkpoint.
    CONTINUED: From the latest checkpoint in its folder.
    EXTENDED: The same with more epochs, or more patience, than were asked for before.
    FINISHED: Not at all: the run of the folder has come to its end.
  """

  NEW = 'new'
  ANEW = 'anew'
  CONTINUED = 'continued'
  EXTENDED = 'extended'
  FINISHED = 'finished'

  @property
  def goes_on(self) -> bool:
    """Whether there is a state to begin from."""
    return self in (Start.CONTINUED, Start.EXTENDED)


def decide(config: config_lib.TrainConfig, data: datasets.Data) -> Start:
  """Returns how the run begins; nothing is touched.

  Raises:
    ConfigError: if the folder may not be used, or holds a run that cannot be gone on with.
  """
  folder = run_folder.RunFolder(config.run_dir)
  if config.find_learning_rate:
    return Start.NEW  # It leaves the folder alone, whatever is in it.
  if is_another_worker(config):
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
  return _decide_of_a_run(config, data, folder)


def _decide_of_a_run(
  config: config_lib.TrainConfig, data: datasets.Data, folder: run_folder.RunFolder
) -> Start:
  """Returns how a run begins in whose folder there is one already."""
  stored = stored_flags(folder)
  outcome = folder.read_outcome()
  is_longer = check_same(config, data, folder, stored, is_finished=outcome is not None)
  if not folder.state_files():
    return _without_states(folder, is_longer=is_longer, is_finished=outcome is not None)
  if outcome is None:
    return Start.EXTENDED if is_longer else Start.CONTINUED
  # Where all of --epochs are done, more patience changes nothing.
  if not is_longer or config.epochs <= outcome['epochs']:
    return Start.FINISHED
  if outcome['stopped'] and config.patience and config.patience <= stored['patience']:
    raise errors.ConfigError(
      f'The run in --run_dir={folder.path} stopped early: {outcome["stopped"]}. More epochs would '
      'stop there again: give it more --patience too, or 0 to never stop early.'
    )
  return Start.EXTENDED


def is_shared(config: config_lib.TrainConfig) -> bool:
  """Whether several processes train together."""
  return strategies.parse(config.strategy)[0] == 'multi_worker'


def is_another_worker(config: config_lib.TrainConfig) -> bool:
  """Whether this process is one of several, and not the chief of them."""
  return is_shared(config) and multi_worker.task(os.environ).index > 0


def binding_flags(config: config_lib.TrainConfig) -> dict[str, Any]:
  """Returns the flags that decide what becomes of the weights."""
  return {name: value for name, value in config.to_json().items() if name not in FREE}


def extended(config: config_lib.TrainConfig, stored: Mapping[str, Any]) -> dict[str, Any]:
  """Returns config.json of a run that goes on with other flags."""
  return {**stored, 'flags': config.to_json(), 'command': command_text(config)}


def record(config: config_lib.TrainConfig, data: datasets.Data) -> dict[str, Any]:
  """Returns what config.json says of what was asked for: by it a command goes on, or is refused."""
  return {
    'flags': config.to_json(),
    'command': command_text(config),
    'data_dir': files.absolute(data.path),
    'dataset': data.manifest.name,
    'manifest_sha256': data.digest,
    'teacher_sha256': teacher_lib.digest(config.teacher),
    'recordings_sha256': recordings_digest(config, data),
    'feature': data.feature.to_json(),
    'computed': data.computed.to_json() if data.computed else None,
    'model': options.format_option(*models.parse(config.model)),
    'versions': library_versions.here(),
  }


def command_text(config: config_lib.TrainConfig) -> str:
  """Returns the command that trains the same again, into a folder of its own."""
  places = ('run_dir', 'run_name', 'overwrite')
  return command_line.text_of(config, 'python -m trainer', without=places)


def identity(stored: Mapping[str, Any]) -> str:
  """Returns by what a run is told from others: what decides its weights, as a digest.

  It stays where a run goes on with more epochs, and with a version that knows more flags.

  Args:
    stored: What its config.json says.
  """
  flags = stored.get('flags')
  defaults = json.loads(json.dumps({f.name: f.default for f in _fields()}))
  decisive = {
    name: value
    for name, value in (flags.items() if isinstance(flags, dict) else ())
    if name not in FREE | _MAY_BE_MORE and value != defaults.get(name)
  }
  others = [stored.get(name) for name in ('manifest_sha256', 'teacher_sha256', 'model')]
  return hashlib.sha256(json.dumps([decisive, others], sort_keys=True).encode()).hexdigest()


def finished_sentence(path: str) -> str:
  """Returns what is said of a command whose run is finished already."""
  outcome = run_folder.RunFolder(path).read_outcome() or {'epochs': 0, 'stopped': ''}
  early = f' (stopped early: {outcome["stopped"]})' if outcome['stopped'] else ''
  epochs = errors.counted(outcome['epochs'], 'epoch')
  return (
    f'finished {path}: the run of this command came to its end after {epochs}{early}; nothing was '
    'done. Raise --epochs for more of them, write --overwrite to replace it, or name another '
    'folder.'
  )


def _without_states(folder: run_folder.RunFolder, *, is_longer: bool, is_finished: bool) -> Start:
  """Returns how a run begins whose folder has no state: killed early, or somebody removed them."""
  is_finished &= os.path.exists(folder.checkpoint_file(run_folder.BEST))  # Else nothing is left.
  if is_finished and not is_longer:
    return Start.FINISHED
  if not folder.came_to_a_checkpoint():
    return Start.ANEW
  # A state is whole before the models of the second epoch after it are written.
  was_removed = is_finished or folder.num_epochs_done() > 2
  if was_removed or 'checkpoint_steps' not in folder.read_config()['flags']:  # Of before states.
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run, whose states (checkpoints/state-*.npz) are '
      'not there any more, so nothing can go on from it. Replace it with --overwrite, or name '
      'another folder.'
    )
  return Start.ANEW


def stored_flags(folder: run_folder.RunFolder) -> dict[str, Any]:
  """Returns the flags of the run in a folder, with defaults for those that it does not know.

  Raises:
    ConfigError: if config.json is damaged, or of a newer version.
  """
  config = folder.read_config()
  if config.get('pooling') is not None:
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run of `python -m trainer.baseline`. Replace it '
      'with --overwrite, or name another folder.'
    )
  flags = config.get('flags')
  # As JSON, which has lists for tuples.
  defaults = json.loads(json.dumps({f.name: f.default for f in _fields()}))
  unknown = sorted(set(flags) - set(defaults)) if isinstance(flags, dict) else []
  if unknown:
    raise errors.ConfigError(
      f'The run in --run_dir={folder.path} was begun by another version of this program: it has '
      f'the flag --{unknown[0]}, which this one does not know. Go on with that version, replace '
      'the run with --overwrite, or name another folder.'
    )
  is_whole = isinstance(flags, dict) and all(
    type(flags.get(name, 0)) is int for name in _MAY_BE_MORE
  )
  if not is_whole:
    raise errors.ConfigError(
      f'{folder.config_file!r} is damaged: its `flags` are not those of a run. Put back a copy of '
      'it, begin anew with --overwrite, or name another --run_dir.'
    )
  return {**defaults, **flags}


def _fields() -> tuple[dataclasses.Field[Any], ...]:
  return dataclasses.fields(config_lib.TrainConfig)


def check_same(
  config: config_lib.TrainConfig,
  data: datasets.Data,
  folder: run_folder.RunFolder,
  stored: Mapping[str, Any],
  *,
  is_finished: bool,
) -> bool:
  """Refuses a run of other flags or data; returns whether it is asked to be longer than it was."""
  asked = json.loads(json.dumps(binding_flags(config)))
  differing = [name for name, value in sorted(asked.items()) if stored[name] != value]
  is_longer = bool(set(differing) & _MAY_BE_MORE) and config.epochs >= stored['epochs']
  if is_longer:
    differing = [name for name in differing if name not in _MAY_BE_MORE]
  state = 'finished' if is_finished else 'not finished'
  if differing:
    flags = ', '.join(
      f'--{name}={_shown(stored[name])} (here {_shown(asked[name])})' for name in differing
    )
    fewer = ' (epochs may be added, not taken away)' if 'epochs' in differing else ''
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run that is {state}, with {flags}{fewer}. Go on '
      'with it by these flags, replace it with --overwrite, or name another folder.'
    )
  stored_config = folder.read_config()
  if stored_config.get('manifest_sha256') != data.digest:
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run that is {state}, on another data set than '
      f'{data.path!r} is now. Go on with it on the data of before, replace it with --overwrite, or '
      'name another folder.'
    )
  if stored_config.get('teacher_sha256', '') != teacher_lib.digest(config.teacher):
    now = f'--teacher={config.teacher} is now' if config.teacher else 'none, as here'
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run that is {state}, with another teacher than '
      f'{now} (it had --teacher={_shown(stored["teacher"])}, with its model of then). Go on '
      'with it under that, replace it with --overwrite, or name another folder.'
    )
  recorded = stored_config.get('recordings_sha256', '')
  if recorded and recorded != recordings_digest(config, data):
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run that is {state}, and what --augment reads of '
      'its folder was something else then. Put back the recordings of before, replace the run with '
      '--overwrite, or name another folder.'
    )
  return is_longer


def recordings_digest(config: config_lib.TrainConfig, data: datasets.Data) -> str:
  """Returns the digest of the recordings that --augment takes from; '' where there are none.

  Raises:
    ConfigError: if they are not there.
  """
  return chain.Chain(config.augment).with_recordings(data.manifest.audio).digest


def _shown(value: Any) -> str:
  return repr(value) if value in ('', [], None) else str(value)
