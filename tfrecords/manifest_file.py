"""manifest.json of a data set: read, written, identified."""

import hashlib
import json
from typing import Any

from schemas import errors, naming
from schemas.manifest import DatasetManifest
from tfrecords import storage as storage_lib
from tfrecords.storage import passing_faults

# Labels may come from file names that are no UTF-8.
_ENCODING = ('utf-8', 'surrogateescape')


def load(
  data_dir: str, storage: storage_lib.Storage = storage_lib.LOCAL, *, of_run: bool = False
) -> DatasetManifest:
  """Returns the manifest of the data set in a folder.

  Args:
    data_dir: The folder.
    storage: Where it lies.
    of_run: Whether it is the folder of a run, with a copy of the manifest that was trained on.

  Raises:
    DatasetError: if there is no folder, no finished data set in it, or it cannot be read; if it is
      the folder of a run, and none is asked for.
    SchemaError: if the manifest is malformed or of another version, or not as it was written.
  """
  text = _read(data_dir, storage).decode(*_ENCODING)
  if not of_run:
    _check_no_run(data_dir, storage)
  where = storage.join(data_dir, naming.MANIFEST)
  try:
    # A field that is missing or wrong is told first: it says more than a digest.
    made = DatasetManifest.from_text(text, where=where)
    DatasetManifest.check_digest(text, where=where)
  except errors.SchemaError as error:
    if not of_run:
      raise
    # The data job writes no runs: what is said of a data set helps nobody here.
    trained_on = _trained_on(data_dir, storage) or 'that the run was trained on'
    raise errors.SchemaError(
      f'{str(error).partition(". ")[0].rstrip(".")}. It is the copy of a run: copy the '
      f'{naming.MANIFEST} of the data set {trained_on} there, where that is still the same, or '
      'train again.'
    ) from error
  return made


def save(
  manifest: DatasetManifest, data_dir: str, storage: storage_lib.Storage = storage_lib.LOCAL
) -> None:
  """Writes the manifest, whole or not at all. Its presence says that the data set is finished.

  Raises:
    DatasetError: if the storage refuses.
  """
  path = storage.join(data_dir, naming.MANIFEST)
  content = manifest.to_text().encode(*_ENCODING)
  storage_lib.write_or_refuse(path, content, storage)


def digest(data_dir: str, storage: storage_lib.Storage = storage_lib.LOCAL) -> str:
  """Returns the SHA-256 of the manifest, hexadecimal: it names all shards by their digests.

  Raises:
    DatasetError: as `load`.
  """
  return hashlib.sha256(_read(data_dir, storage)).hexdigest()


def _read(data_dir: str, storage: storage_lib.Storage) -> bytes:
  path = storage.join(data_dir, naming.MANIFEST)

  def attempt() -> bytes:
    if not storage.exists(path):
      raise errors.DatasetError(_why_missing(data_dir, storage))
    with storage.open_read(path) as stream:
      return stream.read()

  try:
    return passing_faults.patiently(attempt, path)
  except OSError as error:
    raise errors.DatasetError(f'Could not read {path!r}: {error.strerror or error}.') from error


def _trained_on(data_dir: str, storage: storage_lib.Storage) -> Any:
  """Returns what config.json of a run names as its data; None where it is no run's."""
  config_file = storage.join(data_dir, naming.RUN_CONFIG)
  try:
    if not storage.exists(config_file):
      return None
    with storage.open_read(config_file) as stream:
      return json.loads(stream.read())['data_dir']
  except (OSError, ValueError, RecursionError, KeyError, TypeError):  # Then it is something else.
    return None


def _check_no_run(data_dir: str, storage: storage_lib.Storage) -> None:
  """Raises DatasetError for the folder of a run; the sentence names what it was trained on."""
  trained_on = _trained_on(data_dir, storage)
  if trained_on is None:
    return
  raise errors.DatasetError(
    f'{data_dir!r} is the folder of a run of the trainer, and no data set. The run was trained on '
    f'{trained_on!r}: name that folder, or another that the data job wrote (its --output).'
  )


def _why_missing(data_dir: str, storage: storage_lib.Storage) -> str:
  if not storage.exists(data_dir):
    return (
      f'There is no folder {data_dir!r}. Name the folder that the data job wrote (its --output).'
    )
  try:
    names = storage.list_dir(data_dir)
  except NotADirectoryError:
    return f'{data_dir!r} is a file. Name the folder that the data job wrote (its --output).'
  if (trained_on := _trained_on(data_dir, storage)) is not None:
    return (
      f'{data_dir!r} is the folder of a run, whose {naming.MANIFEST} is gone: copy that of the '
      f'data set {trained_on} there, where that is still the same, or train again.'
    )
  shards = sum(
    naming.is_shard_name(name.partition(storage_lib.TEMPORARY_MARK)[0]) for name in names
  )
  if shards:
    return (
      f'{data_dir!r} holds '
      f'{errors.counted(shards, "shard file")} but no {naming.MANIFEST}: the data job did not '
      'finish. Run it again with the same flags (whole shards are kept).'
    )
  return (
    f'{data_dir!r} holds no data set: there is no {naming.MANIFEST}. Either the data job did not '
    'finish, then run it again, or this is not the folder that it wrote (its --output).'
  )
