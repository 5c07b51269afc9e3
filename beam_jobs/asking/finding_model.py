"""What --model names, before a job begins: an export, or a run, of which one is made first.

A run is exported by a process of its own: `python -m trainer.export`. The trainer is no part of a
data job, and needs not be installed where exports are used.
"""

import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid

from exports import export_file, file_digests
from schemas import errors, naming
from tfrecords import storage

# Where the export of a run lies in the output.
FOLDER = 'model'
_SAVED_MODEL_FILE = 'saved_model.pb'
# What --export_flags may not say: the launcher does.
_OURS = re.compile(r'--?(no)?(run_dir|output|overwrite|format)\b')


def is_export(folder: str) -> bool:
  """Whether a folder holds an export; else it should be a run.

  Raises:
    ConfigError: if it holds neither, or cannot be read.
  """
  files = storage.storage_of(folder)
  try:
    if files.exists(files.join(folder, export_file.FILE)):
      return True
    is_run = files.exists(files.join(folder, naming.RUN_CONFIG))
  except OSError as error:
    raise errors.ConfigError(
      f'--model={folder!r} cannot be read: {error.strerror or error}.'
    ) from error
  if not is_run:
    raise errors.ConfigError(
      f'--model={folder!r} holds neither an export (with {export_file.FILE}) nor a run (with '
      f'{naming.RUN_CONFIG}). Make one: python -m trainer.export --run_dir=RUN --output=EXPORT.'
    )
  if '://' in folder:
    raise errors.ConfigError(
      f'--model={folder!r} is a run in a bucket, and runs are exported where they lie on a disk. '
      'Copy it here, or export it there: python -m trainer.export.'
    )
  return False


def check_flags(text: str) -> list[str]:
  """Returns the flags of --export_flags.

  Raises:
    ConfigError: if they are none, or are those that the launcher gives itself.
  """
  try:
    found = shlex.split(text)
  except ValueError as error:
    raise errors.ConfigError(f'--export_flags={text!r} cannot be read: {error}.') from error
  for word in found:
    if not word.startswith('-') or _OURS.match(word):
      raise errors.ConfigError(
        f'--export_flags={text!r}: expected flags of python -m trainer.export such as '
        f'--calibrated, but for --run_dir, --output, --overwrite and --format; got {word!r}.'
      )
  return found


def load(folder: str) -> export_file.Export:
  """Returns what an export on a disk of this machine is, once it is sure that TensorFlow reads it.

  Raises:
    ConfigError: if there is none, it is of another version, holds no SavedModel, or one that is
      not what was exported.
  """
  export = export_file.load(folder)
  name = export.formats.get(export_file.SAVED_MODEL)
  if not isinstance(name, str):
    raise errors.ConfigError(
      f'The export in {folder!r} has no {export_file.SAVED_MODEL}; it has '
      f'{", ".join(export.formats) or "nothing"}. Export the run again with '
      f'--format={export_file.SAVED_MODEL}.'
    )
  if not os.path.isfile(os.path.join(folder, name, _SAVED_MODEL_FILE)):
    raise errors.ConfigError(
      f'The export in {folder!r} is not whole: there is no {name}/{_SAVED_MODEL_FILE}. Export the '
      'run again: python -m trainer.export --overwrite.'
    )
  # Workers ask again, of what reached them; this is before a job is started, and anything written.
  file_digests.check(folder, export, export_file.SAVED_MODEL)
  return export


def export_run(run_dir: str, flags: list[str], *, target: str) -> str:
  """Exports a run into a folder, unless what is there says the same; returns the folder.

  Args:
    run_dir: The run.
    flags: Further flags of trainer.export.
    target: The folder, which is replaced whole or not at all.

  Raises:
    ConfigError: with what trainer.export says, or if it is not installed.
  """
  missing = [name for name in ('trainer', 'tensorflow') if not importlib.util.find_spec(name)]
  if missing:
    raise errors.ConfigError(
      f'--model={run_dir!r} is a run, and to export one needs {missing[0]}, which is not installed '
      "here: pip install 'voxshard[train]'. Or export it elsewhere with python -m trainer.export, "
      'and name the export.'
    )
  made = f'{target}{storage.TEMPORARY_MARK}{uuid.uuid4().hex}'
  try:
    _run_export([f'--run_dir={run_dir}', f'--output={made}', *flags], run_dir)
    said = _says(made)
    if said and said == _says(target):  # The bytes of a SavedModel differ, whenever one is written.
      return target
    with storage.naming_failures('the export', path=target):
      shutil.rmtree(target, ignore_errors=True)
      os.rename(made, target)
  finally:
    shutil.rmtree(made, ignore_errors=True)
  return target


def _run_export(arguments: list[str], run_dir: str) -> None:
  command = [sys.executable, '-m', 'trainer.export', *arguments]
  done = subprocess.run(command, capture_output=True, text=True, errors='replace', check=False)
  for line in done.stdout.splitlines():
    if line.startswith('note: '):
      print(line, file=sys.stderr)
  if done.returncode:
    said = done.stderr.strip().splitlines() or [f'it ended with {done.returncode}.']
    sentence = next((line for line in said if line.startswith('error: ')), said[-1])
    raise errors.ConfigError(
      f'The run {run_dir!r} could not be exported: {sentence.removeprefix("error: ")}'
    )


def _says(folder: str) -> export_file.Export | None:
  """Returns what an export says of itself, of which weights it is; None if it is not whole."""
  try:
    return dataclasses.replace(load(folder), files={})
  except (errors.ConfigError, OSError):
    return None
