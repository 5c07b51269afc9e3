"""The folder that holds all that a run writes."""

import contextlib
import dataclasses
import datetime
import functools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from typing import Any

from schemas import errors, json_form, splits
from tfrecords import storage
from tfrecords.storage import half_written, local
from trainer.runs import judgement as judgement_lib

RUNS = 'runs'  # Where run folders lie that the user did not name.
BEST = 'best'
LAST = 'last'
# What lies in the folder of a cross-validation: the run of each fold and what it said.
_FOLD, _FOLDS_DATA = re.compile(r'fold-\d+(\.log)?'), 'data'
_STATE, _STATE_ENDING = 'state-', '.npz'
# An evaluation may be writing its report beside the training. Where the file system has no locks,
# by which that is seen, it is left alone for so long.
_EVALUATION_S = 600.0
# Files from this size on are not hashed twice. Smaller ones may be: a file system may give the same
# time to what is written within a few milliseconds.
_KNOWN_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class RunFolder:
  """Where each thing lies in the folder `path`.

  Attributes:
    path: The folder.
    config_file: What the run was asked to do, with which versions, on which data set: JSON.
    manifest_file: A copy of the data set's manifest: prediction needs it when the data set is gone.
    history_file: The numbers of every epoch: JSON.
    checkpoints_dir: Folder of the saved models.
    digests_file: By what the files that programs compute from are known: JSON, see
      written_checkpoints.
    logs_dir: Folder for TensorBoard.
    graphs_dir: Folder of the SavedModels that are in the model, if there are any.
    confidence_file: What validation says of the best model's probabilities: JSON.
    judged_dir: Folder of what evaluation found of other splits than `judgement`.
    outcome_file: How the run ended, written last of all: JSON. A run without it is not finished.
    failed_batch_file: The examples of a step whose loss was no number: JSON.
  """

  path: str

  config_file = property(lambda self: os.path.join(self.path, 'config.json'))
  manifest_file = property(lambda self: os.path.join(self.path, 'manifest.json'))
  history_file = property(lambda self: os.path.join(self.path, 'history.json'))
  checkpoints_dir = property(lambda self: os.path.join(self.path, 'checkpoints'))
  digests_file = property(lambda self: os.path.join(self.path, 'checkpoints.json'))
  logs_dir = property(lambda self: os.path.join(self.path, 'logs'))
  graphs_dir = property(lambda self: os.path.join(self.path, 'graphs'))
  confidence_file = property(lambda self: os.path.join(self.path, 'confidence.json'))
  judged_dir = property(lambda self: os.path.join(self.path, 'judged'))
  outcome_file = property(lambda self: os.path.join(self.path, 'outcome.json'))
  failed_batch_file = property(lambda self: os.path.join(self.path, 'failed_batch.json'))

  @property
  def judgement(self) -> judgement_lib.Judgement:
    """What the run is judged by: the test split of its data set, its best epoch."""
    return judgement_lib.Judgement(self.path)

  def other_judgement(
    self, split: str, *, checkpoint: str = BEST, data_digest: str = ''
  ) -> judgement_lib.Judgement:
    """What evaluation finds of a split.

    Args:
      split: The split.
      checkpoint: BEST or LAST.
      data_digest: SHA-256 of the manifest of another data set; '' for that of the run.
    """
    if (split, checkpoint, data_digest) == (splits.TEST, BEST, ''):
      return self.judgement
    parts = (split, LAST if checkpoint == LAST else '', data_digest[:8])
    name = '-'.join(part for part in parts if part)
    return judgement_lib.Judgement(os.path.join(self.judged_dir, name))

  def state_file(self, step: int) -> str:
    """All that the step after `step` depends on, for a run that is continued."""
    return os.path.join(self.checkpoints_dir, f'{_STATE}{step:012d}{_STATE_ENDING}')

  def state_files(self) -> list[str]:
    """Returns the state_file of every step that has one, the latest first."""
    names = os.listdir(self.checkpoints_dir) if os.path.isdir(self.checkpoints_dir) else []
    found = (name for name in names if name.startswith(_STATE) and name.endswith(_STATE_ENDING))
    return [os.path.join(self.checkpoints_dir, name) for name in sorted(found, reverse=True)]

  def num_epochs_done(self) -> int:
    """Returns how many epochs history.json tells of; 0 where there is none.

    Raises:
      ConfigError: if it is damaged.
    """
    return len(self.read_history()) if os.path.exists(self.history_file) else 0

  def read_history(self) -> list[dict[str, Any]]:
    """Returns the epochs that history.json tells of.

    Raises:
      ConfigError: if there is none, or it is damaged.
    """
    try:
      epochs = _read_json(self.history_file)
    except (FileNotFoundError, NotADirectoryError) as error:
      raise errors.ConfigError(
        f'There is no {self.history_file!r}, which every training writes. Put back a copy of it, '
        'or train anew with --overwrite.'
      ) from error
    if not isinstance(epochs, list):
      raise _damaged(self.history_file, f'expected a list, got {type(epochs).__name__}')
    if not all(isinstance(epoch, dict) for epoch in epochs):
      raise _damaged(self.history_file, 'expected an object for every epoch')
    return epochs

  def came_to_a_checkpoint(self) -> bool:
    """Whether anything is in checkpoints_dir but what a killed process left half-written."""
    names = os.listdir(self.checkpoints_dir) if os.path.isdir(self.checkpoints_dir) else []
    return any(storage.TEMPORARY_MARK not in name for name in names)

  def checkpoint_file(self, name: str) -> str:
    """A whole Keras model: BEST or LAST."""
    return os.path.join(self.checkpoints_dir, f'{name}.keras')

  def model_digest(self, name: str) -> str:
    """Returns the SHA-256 of a saved model, BEST or LAST; '' where there is none.

    Raises:
      ConfigError: if it cannot be read.
    """
    return digest_of(self.checkpoint_file(name))

  def best_digest(self) -> str:
    """Returns the same of the best model, a network or a classifier of scikit-learn."""
    return self.model_digest(BEST) or digest_of(self.baseline_file)

  @property
  def baseline_file(self) -> str:
    """A classifier of scikit-learn."""
    return os.path.join(self.checkpoints_dir, f'{BEST}.skops')

  def check_usable(self, *, overwrite: bool) -> None:
    """Raises ConfigError if a new run may not be written here; nothing is touched."""
    if not os.path.lexists(self.path):
      return
    if not os.path.isdir(self.path):
      raise errors.ConfigError(f'--run_dir={self.path} is a file. Name a folder for the run.')
    with writing(self.path):
      names = os.listdir(self.path)
    if not names:
      return
    if self._is_barely_begun(names):
      return
    if self._is_data_set():
      raise errors.ConfigError(
        f'--run_dir={self.path} is a data set: its folder may not be that of a run. Name a new or '
        f'empty folder; --data={self.path} trains on it.'
      )
    if not os.path.exists(self.config_file):
      raise errors.ConfigError(
        f'--run_dir={self.path} holds files that are of no run ({sorted(names)[0]!r}, ...). Name '
        'a new or empty folder.'
      )
    if not overwrite:
      raise errors.ConfigError(
        f'--run_dir={self.path} already holds a run. Replace it with --overwrite, or name '
        'another folder.'
      )

  def _is_data_set(self) -> bool:
    """Whether the folder is one that the data job wrote; a run has a manifest too."""
    ours = (self.config_file, self.checkpoints_dir)
    return os.path.exists(self.manifest_file) and not any(map(os.path.exists, ours))

  def _is_barely_begun(self, names: list[str]) -> bool:
    """Whether a process was killed between making the folder and writing what it is to hold."""
    ours = {os.path.basename(p) for p in (self.checkpoints_dir, self.logs_dir, self.manifest_file)}
    ours.add(os.path.basename(self.config_file))  # Half-written alone.
    if os.path.exists(self.config_file) or {_final(name) for name in names} - ours:
      return False
    folders = [folder for folder in (self.checkpoints_dir, self.logs_dir) if os.path.isdir(folder)]
    return bool(folders) and not any(os.listdir(folder) for folder in folders)

  def remove_leftovers(self) -> None:
    """Removes what killed processes left half-written; to be called by who trains in the folder."""
    for folder, unlocked_s in (
      (self.checkpoints_dir, 0.0),
      (self.graphs_dir, 0.0),
      (self.path, _EVALUATION_S),
    ):
      half_written.remove_abandoned_in(folder, unlocked_s=unlocked_s)

  def reopen(self, config: dict[str, Any]) -> None:
    """Makes a finished run one that is not, whose config.json is another; checkpoints stay.

    Raises:
      ConfigError: if the file system refuses.
    """
    with writing(self.path):  # First of all: who is killed here goes on as if nothing was done.
      _remove(self.outcome_file, self.confidence_file, *self.judgement.files)
      shutil.rmtree(self.judged_dir, ignore_errors=True)
    self.write_json(self.config_file, config)

  def create(self, *, overwrite: bool) -> None:
    """Makes the folder, without what an earlier run left in it.

    Raises:
      ConfigError: if it may not be used, or cannot be written.
    """
    self.check_usable(overwrite=overwrite)
    with writing(self.path):
      ours = (self.history_file, self.outcome_file, self.confidence_file, self.digests_file)
      _remove(*self.judgement.files, *ours)
      for folder in (self.checkpoints_dir, self.logs_dir, self.graphs_dir, self.judged_dir):
        if os.path.lexists(folder):
          shutil.rmtree(folder)
      self._remove_folds()
      for folder in (self.checkpoints_dir, self.logs_dir):
        os.makedirs(folder)

  def _remove_folds(self) -> None:
    """Removes the runs of a cross-validation, and what they were made of."""
    for name in os.listdir(self.path) if os.path.isdir(self.path) else []:
      path = os.path.join(self.path, name)
      if os.path.isdir(path) and (_FOLD.fullmatch(name) or name == _FOLDS_DATA):
        shutil.rmtree(path)
      elif _FOLD.fullmatch(name):
        os.remove(path)

  def write_json(self, path: str, value: Any) -> None:
    """Writes one of the JSON files, whole or not at all."""
    with writing(path):
      storage.write_atomically(path, json_form.dumps(value).encode())

  def write_outcome(self, *, epochs: int, steps: int, stopped: str, **further: Any) -> None:
    """Writes that the run is finished, and when.

    Args:
      epochs: How many were done.
      steps: Of the training.
      stopped: Why there are no more; '' where all that were asked for are done.
      **further: What else is to be said.
    """
    outcome = {'epochs': epochs, 'steps': steps, 'stopped': stopped, **further}
    self.write_json(self.outcome_file, {**outcome, 'finished_at': time_text(time.time())})

  def read_config(self) -> dict[str, Any]:
    """Returns what config.json holds.

    Raises:
      ConfigError: if there is no run in the folder, or the file is damaged.
    """
    try:
      config = _read_json(self.config_file)
    except (FileNotFoundError, NotADirectoryError) as error:
      if self._is_data_set():
        raise errors.ConfigError(
          f'{self.path!r} is a data set, and no run. Train on it first (python -m trainer '
          f'--data={self.path}), and name the --run_dir of that.'
        ) from error
      raise errors.ConfigError(
        f'{self.path!r} holds no run: there is no config.json. Name the --run_dir of a finished '
        '`python -m trainer`.'
      ) from error
    if not isinstance(config, dict):
      raise _damaged(self.config_file, f'expected an object, got {type(config).__name__}')
    return config

  def read_report(self) -> dict[str, Any]:
    """Returns what report.json holds: what the run is judged by.

    Raises:
      ConfigError: if there is none, or it is damaged.
    """
    path = self.judgement.report_file
    try:
      report = _read_json(path)
    except (FileNotFoundError, NotADirectoryError) as error:
      raise errors.ConfigError(
        f'There is no report {path!r}. `python -m trainer.evaluate --run_dir={self.path}` writes '
        'that of a run.'
      ) from error
    if not isinstance(report, dict):
      raise _damaged(path, f'expected an object, got {type(report).__name__}')
    return report

  def read_outcome(self) -> dict[str, Any] | None:
    """Returns what outcome.json holds: `epochs`, `steps`, `stopped`; None if there is none yet.

    Raises:
      ConfigError: if it is damaged.
    """
    if not os.path.exists(self.outcome_file):
      return None
    try:
      obj = json_form.Reader(_read_json(self.outcome_file), self.outcome_file)
      return {**{n: obj.integer(n) for n in ('epochs', 'steps')}, 'stopped': obj.text('stopped')}
    except errors.SchemaError as error:
      raise _damaged(self.outcome_file, str(error).rstrip('.')) from error


def time_text(seconds: float) -> str:
  """Returns a time since 1970 as ISO 8601 has it, in UTC: `2026-11-26T07:30:00+00:00`."""
  return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).isoformat()


def _remove(*files: str) -> None:
  for file in files:
    with contextlib.suppress(FileNotFoundError):
      os.remove(file)


def _read_json(path: str) -> Any:
  """Returns what a file holds; raises ConfigError if it is damaged, OSError if it is missing."""
  try:
    with open(path, encoding='utf-8') as stream:
      return json.load(stream)
  except (FileNotFoundError, NotADirectoryError):
    raise
  except OSError as error:
    raise errors.ConfigError(f'Could not read {path!r}: {error.strerror or error}.') from error
  except (ValueError, RecursionError) as error:
    raise _damaged(path, f'{error}') from error


def digest_of(path: str) -> str:
  """Returns the SHA-256 of a file; '' where there is none.

  A large file is read once by a process, as long as nobody writes it: of hundreds of megabytes that
  takes as long as loading the model does.

  Raises:
    ConfigError: if it cannot be read.
  """
  try:
    found = os.stat(path)
    if found.st_size < _KNOWN_BYTES:
      return local.sha256(path)
    return _digest_of(path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
  except (FileNotFoundError, NotADirectoryError):
    return ''
  except OSError as error:
    raise errors.ConfigError(f'Could not read {path!r}: {error.strerror or error}.') from error


@functools.lru_cache(maxsize=256)
def _digest_of(path: str, *seen: int) -> str:
  del seen  # By which another file at the same place is told.
  return local.sha256(path)


def _damaged(path: str, why: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'{path!r} is damaged: {why}. Put back a copy of it, begin anew with --overwrite, or name '
    'another --run_dir.'
  )


def _final(name: str) -> str:
  return name.partition(storage.TEMPORARY_MARK)[0]


def of_name(run_name: str, run_dir: str) -> str:
  """Returns the folder that --run_name or --run_dir names; '' if neither does.

  Raises:
    ConfigError: if --run_name is no name of a folder, or they name two.
  """
  if not run_name:
    return run_dir
  if run_name in ('.', '..') or set(run_name) & set('/\\'):
    raise errors.ConfigError(f'--run_name must be the name of a folder, got {run_name!r}.')
  path = os.path.join(RUNS, run_name)
  if run_dir not in ('', path):
    raise errors.ConfigError(
      f'--run_name={run_name} stands for --run_dir={path}: give one of the two.'
    )
  return path


def claim_default(dataset_name: str, model_name: str) -> RunFolder:
  """Makes and returns `runs/DATASET-MODEL`, or the first of -2, -3, ... that is free.

  The folder is made at once, so that two runs which start together take two.
  """
  number = 1
  while True:
    suffix = f'-{number}' if number > 1 else ''
    path = os.path.join(RUNS, f'{dataset_name}-{model_name}{suffix}')
    with writing(path):
      try:
        os.makedirs(path)
        return RunFolder(path)
      except FileExistsError:
        number += 1


@contextlib.contextmanager
def replacing(path: str, *, ending: str = '') -> Iterator[str]:
  """Yields where to write a file that is at `path` behind the block, whole or not at all.

  What a killed process leaves is called PATH.tmp-..., and `ending` behind it.

  Raises:
    ConfigError: if the file system refuses; what was at `path` stays.
  """
  with writing(path), half_written.file(path, ending=ending) as temporary:
    yield temporary
    os.replace(temporary, path)


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
  """Turns a refusal of the file system inside the block into a sentence.

  Raises:
    ConfigError: names the path and the reason.
  """
  try:
    yield
  except OSError as error:
    raise errors.ConfigError(
      f'Could not write {path!r}: {error.strerror or error}. Make room there or give this user '
      'the right to write, or name another folder.'
    ) from error
