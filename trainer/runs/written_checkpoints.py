"""Which files a run wrote that are computed from: by digests another one in their place is noticed.

checkpoints.json has the SHA-256 of each: of the models and states in `checkpoints`, by their names
there; of the copies of SavedModels and of manifest.json by their paths in the run. It is that of
what was written last, and of what was there before, as a process may end between writing the digest
and giving the file its name. A file that is not in it, as in runs of before, is believed.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

from schemas import errors
from tfrecords.storage import local
from trainer.runs import run_folder

# States are written by a thread beside the one that writes models.
_NOTING = threading.Lock()


@contextlib.contextmanager
def writing(folder: run_folder.RunFolder, path: str, *, ending: str = '') -> Iterator[str]:
  """Yields where to write a checkpoint that is at `path` behind the block, and notes its digest.

  Args:
    folder: Of the run.
    path: Of the checkpoint.
    ending: See run_folder.replacing.

  Raises:
    ConfigError: if the file system refuses; what was at `path` stays.
  """
  with run_folder.replacing(path, ending=ending) as temporary:
    yield temporary
    _note(folder, path, temporary)


def why_foreign(folder: run_folder.RunFolder, path: str) -> str:
  """Returns what is to be said of a checkpoint that is not what the run wrote; '' if it is.

  Args:
    folder: Of the run.
    path: Of the checkpoint; nothing is said where there is none.

  Raises:
    ConfigError: if a file cannot be read.
  """
  name = _name(folder, path)
  known = _read(folder).get(name)
  if not known:
    return ''
  found = run_folder.digest_of(path)
  if not found:
    return ''
  # Read again: the run may have written another meanwhile.
  known = _read(folder).get(name) or known
  if found in known:
    return ''
  kind = 'The checkpoint' if name == os.path.basename(path) else 'The file'
  return (
    f'{kind} {path!r} is not what the run wrote: its SHA-256 begins with {found[:8]}, that '
    f'of the run with {known[0][:8]}. It was changed, damaged, or is of another run'
  )


def check(folder: run_folder.RunFolder, path: str) -> None:
  """Raises ConfigError for a checkpoint that is not what the run wrote.

  Its answers would be given the labels, the figures and the temperature of the run, and nobody
  could see that they are of another model.
  """
  why = why_foreign(folder, path)
  if why:
    raise _refused(folder, why)


def _refused(folder: run_folder.RunFolder, why: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'{why}. Put back the file of the run, or train again. If it is meant to be there, remove '
    f'{folder.digests_file!r}: then it is taken as it is.'
  )


def check_below(folder: run_folder.RunFolder, top: str) -> None:
  """Raises ConfigError if a file below a folder of a run is not what the run wrote, or is gone."""
  prefix = f'{_name(folder, top)}/'
  for name in sorted(_read(folder)):
    if not name.startswith(prefix) or not os.path.isdir(top):  # Who needs it says that it is gone.
      continue
    path = os.path.join(folder.path, *name.split('/'))
    check(folder, path)
    if not os.path.isfile(path):
      raise _refused(folder, f'The file {path!r}, which the run wrote, is not there any more')


def note(folder: run_folder.RunFolder, *tops: str) -> None:
  """Notes the digests of files of a run, and of all files below folders, as they are now.

  Raises:
    ConfigError: if they cannot be read, or the digests not be written.
  """
  paths = []
  for top in tops:
    paths += [top] if os.path.isfile(top) else []
    paths += [os.path.join(at, name) for at, _, names in os.walk(top) for name in names]
  if not paths:
    return
  with _NOTING:
    found = {_name(folder, path): [run_folder.digest_of(path)] for path in sorted(paths)}
    _write(folder, {**_read(folder), **found})


def _name(folder: run_folder.RunFolder, path: str) -> str:
  """Returns what a file is called in checkpoints.json."""
  at, name = os.path.split(path)
  if os.path.abspath(at) == os.path.abspath(folder.checkpoints_dir):
    return name
  return os.path.relpath(path, folder.path).replace(os.sep, '/')


def _note(folder: run_folder.RunFolder, path: str, temporary: str) -> None:
  with _NOTING, run_folder.writing(path):
    known, name = _read(folder), _name(folder, path)
    digests = [local.sha256(temporary)]
    # Not what was noted last: a process that was killed may have noted what never came here.
    with contextlib.suppress(FileNotFoundError):
      before = local.sha256(path)
      if before not in digests and before in known.get(name, (before,)):
        digests.append(before)
    _write(folder, {**known, name: digests})


def _write(folder: run_folder.RunFolder, digests: dict[str, list[str]]) -> None:
  folder.write_json(folder.digests_file, dict(sorted(digests.items())))


def _read(folder: run_folder.RunFolder) -> dict[str, list[str]]:
  """Returns the digests by the names of files; none of those that are no digests."""
  found: Any = None
  # Without the file, or with a damaged one, nobody knows.
  with contextlib.suppress(OSError, ValueError, RecursionError):
    with open(folder.digests_file, encoding='utf-8') as stream:
      found = json.load(stream)
  if not isinstance(found, dict):
    return {}
  return {
    name: digests
    for name, digests in found.items()
    if isinstance(digests, list) and digests and all(isinstance(one, str) for one in digests)
  }
