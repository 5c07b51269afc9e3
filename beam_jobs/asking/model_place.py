"""Where workers find the model, and the model itself: loaded once in a process, whoever asks."""

import contextlib
import dataclasses
import hashlib
import importlib.util
import os
import shutil
import sys
import tarfile
import threading
from collections.abc import Iterator

from exports import export_file, exported
from schemas import errors
from tfrecords import storage
from tfrecords.resources import held_stderr
from tfrecords.storage import half_written, local, passing_faults

_PACKED = '.tar'
_BLOCK_BYTES = 1 << 20

_models: dict[str, exported.Exported] = {}
_lock = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelPlace:
  """Where a model lies; small, and sent to every worker.

  Attributes:
    path: Its folder on a disk that the workers see, or a file in which `pack` put it.
    digest: Of all its files.
    threads: Threads of TensorFlow in a worker process.
  """

  path: str
  digest: str
  threads: int = 1


def digest(folder: str) -> str:
  """Returns a digest of the names and the bytes of all files of an export."""
  found = hashlib.sha256()
  for name in _files(folder):
    content = local.sha256(os.path.join(folder, name))
    found.update(f'{name}\0{content}\n'.encode('utf-8', 'surrogateescape'))
  return found.hexdigest()


def pack(folder: str, path: str, files: storage.Storage) -> None:
  """Writes an export into one file, for workers that see no disk of the launcher's.

  Raises:
    DatasetError: if the storage refuses.
  """
  with (
    storage.naming_failures('the model for the workers', path=path),
    files.writing(path) as stream,
    tarfile.open(fileobj=stream, mode='w|', format=tarfile.PAX_FORMAT) as archive,
  ):
    for name in _files(folder):
      archive.add(os.path.join(folder, name), name)


def fetch(folder: str, target: str) -> None:
  """Copies an export out of a bucket.

  Args:
    folder: In the bucket.
    target: A folder of this machine.

  Raises:
    OSError: what the bucket says.
  """
  files = storage.storage_of(folder)
  os.makedirs(target, exist_ok=True)
  plain = files.sizes(folder)
  for name in files.list_dir(folder):
    path = files.join(folder, name)
    below = files.list_dir(path)
    if below and below != [name]:  # A listing of an object is the object.
      fetch(path, os.path.join(target, name))
    elif name in plain:
      with files.open_read(path) as stream, open(os.path.join(target, name), 'wb') as copy:
        shutil.copyfileobj(stream, copy, _BLOCK_BYTES)


def loaded(place: ModelPlace) -> exported.Exported:
  """Returns the model, which all threads of this process share.

  Raises:
    ConfigError: if TensorFlow is missing here, or the model cannot be read.
    StorageError: if it cannot be fetched.
  """
  with _lock:
    if place.digest not in _models:
      _models.clear()  # That of an earlier job in this process.
      _start_tensorflow(place.threads)
      _models[place.digest] = _load(place.path)
    return _models[place.digest]


def _load(path: str) -> exported.Exported:
  if not path.endswith(_PACKED):
    return exported.Exported(path)
  files = storage.storage_of(path)
  with half_written.scratch('voxshard-model-') as folder:

    def unpack() -> None:
      with (
        files.open_read(path) as stream,
        tarfile.open(fileobj=stream, mode='r|') as archive,
      ):
        archive.extractall(folder, filter='data')

    passing_faults.patiently(unpack, path)
    return exported.Exported(folder)  # All of it is in memory then.


def check_tensorflow() -> None:
  """Raises ConfigError where TensorFlow is missing."""
  if importlib.util.find_spec('tensorflow') is None:
    raise errors.ConfigError(
      'A model is asked by TensorFlow, which is not installed for the workers: pip install '
      "'voxshard[predict]'. On workers elsewhere, docs/batch_prediction.md says how."
    )


def _start_tensorflow(threads: int) -> None:
  """Imports TensorFlow as a worker wants it: silent, with as many threads as it has cores."""
  check_tensorflow()
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  # Worker processes share a GPU, where there is one.
  os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')
  # Some lines come before the level is looked at.
  with held_stderr.held_back() if 'tensorflow' not in sys.modules else contextlib.nullcontext():
    import tensorflow as tf  # noqa: PLC0415 - Seconds, and only where a model is asked.

  try:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
  except RuntimeError:  # It runs in this process already, with the threads that it has.
    pass


def is_packed(path: str) -> bool:
  """Whether a path is of what `pack` wrote."""
  return path.endswith(_PACKED)


def packed_name(found: str) -> str:
  """Returns what the file of a model with a digest is called."""
  return f'model-{found[:32]}{_PACKED}'


def _files(folder: str) -> Iterator[str]:
  """Yields the files of an export: its description and the SavedModel, sorted by name."""
  yield export_file.FILE
  name = export_file.load(folder).formats[export_file.SAVED_MODEL]
  for where, folders, names in os.walk(os.path.join(folder, name)):
    folders.sort()
    for name in sorted(names):
      yield os.path.relpath(os.path.join(where, name), folder)
