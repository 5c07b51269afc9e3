"""Copies of shards on a disk of this machine, for data that lies far away."""

import concurrent.futures
import hashlib
import os
import shutil
from collections.abc import Sequence

from schemas import errors
from schemas.manifest import ShardInfo
from tfrecords import storage as storage_lib
from tfrecords.storage import passing_faults

_PIECE_BYTES = 1 << 22
# Copies at a time: so many hide the latency of a bucket.
_THREADS = 8


def fetch(
  paths: Sequence[str],
  shards: Sequence[ShardInfo],
  folder: str,
  storage: storage_lib.Storage = storage_lib.LOCAL,
) -> list[str]:
  """Returns the paths of copies in a folder, made where they are not there yet.

  A copy bears the shard's digest in its name, so that runs and data sets share a folder.

  Raises:
    DatasetError: if the disk is too small or fails, or a file is not what the manifest says.
  """
  copies = [os.path.join(folder, f'{shard.sha256[:16]}-{shard.file_name}') for shard in shards]
  jobs = [
    (path, shard, copy)
    for path, shard, copy in zip(paths, shards, copies, strict=True)
    if not os.path.exists(copy) or os.path.getsize(copy) != shard.num_bytes
  ]
  try:
    os.makedirs(folder, exist_ok=True)
    _check_space(folder, sum(shard.num_bytes for _, shard, _ in jobs))
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
      # A list, so that the first failure is raised here.
      list(pool.map(lambda job: _copy(*job, storage=storage), jobs))
  except OSError as error:
    raise errors.DatasetError(
      f'Could not copy the shards to {folder!r}: {error.strerror or error}. Name another folder, '
      'or read the data where it lies: --cache=none.'
    ) from error
  return copies


def _check_space(folder: str, wanted_bytes: int) -> None:
  free_bytes = shutil.disk_usage(folder).free
  if wanted_bytes > free_bytes:
    raise errors.DatasetError(
      f'The copies in {folder!r} need {wanted_bytes / 1e9:.2f} GB, and {free_bytes / 1e9:.2f} GB '
      'are free there. Name a folder on a larger disk with --cache_dir, or read the data where it '
      'lies: --cache=none.'
    )


def _copy(path: str, shard: ShardInfo, copy: str, *, storage: storage_lib.Storage) -> None:
  digest = hashlib.sha256()
  source = passing_faults.opened_patiently(lambda: storage.open_read(path), path)
  with source, storage_lib.LOCAL.writing(copy) as target:
    while piece := source.read(_PIECE_BYTES):
      digest.update(piece)
      target.write(piece)
    if digest.hexdigest() != shard.sha256:
      raise errors.DatasetError(
        f'{path!r} is not what the manifest says: its digest differs. Copy the folder again, or '
        'run the data job again with the same flags (whole shards are kept).'
      )
