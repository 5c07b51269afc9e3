"""Which files an export consists of: digests in export.json, by which changed ones are noticed."""

from __future__ import annotations

import os

from exports import export_file
from schemas import errors
from tfrecords.storage import local

_REMEDY = (
  'Copy the whole folder again, or export the run again: python -m trainer.export --overwrite.'
)


def of(folder: str) -> dict[str, str]:
  """Returns the SHA-256 of each file below a folder, by its path there with `/`, sorted."""
  found = {}
  for top, _, names in os.walk(folder):
    for name in names:
      path = os.path.join(top, name)
      found[os.path.relpath(path, folder).replace(os.sep, '/')] = local.sha256(path)
  return dict(sorted(found.items()))


def check(folder: str, export: export_file.Export, form: str) -> None:
  """Raises ConfigError if a file of a format is not what the export wrote, or is gone.

  Each is read whole, once before a model is loaded: a second for some hundred megabytes. Exports of
  before have no digests, and are believed.

  Args:
    folder: Of the export.
    export: What its export.json says.
    form: The format.
  """
  name = export.formats[form]
  for file, wanted in export.files.items():
    if file != name and not file.startswith(f'{name}/'):
      continue
    path = os.path.join(folder, *file.split('/'))
    try:
      found = local.sha256(path)
    except OSError as error:
      raise errors.ConfigError(
        f'The export in {folder!r} is not whole: {file!r} cannot be read '
        f'({error.strerror or error}). {_REMEDY}'
      ) from error
    if found != wanted:
      raise errors.ConfigError(
        f'The export in {folder!r} is not what was exported: {file!r} was changed, damaged, or is '
        f'of another export (its SHA-256 begins with {found[:8]}, {export_file.FILE} says '
        f'{wanted[:8]}). {_REMEDY}'
      )
