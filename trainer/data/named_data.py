"""What --data names, a data set, a fold of one, or raw files: its manifest, its batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from schemas import errors, manifest
from tfrecords import manifest_file, shard_files, storage
from tfrecords.pipeline import batch_request
from trainer.data import fold_view
from trainer.data.raw import files as files_lib
from trainer.lazy import tf

# Where TensorFlow reads by itself, beside disks of this machine.
_READABLE = ('gs', 'file')


def load(
  data_dir: str, *, sample_rate_hz: int = 0, clip_s: float = 0.0, by_tensorflow: bool = True
) -> tuple[manifest.DatasetManifest, str]:
  """Returns the manifest of a data set or of raw files, and its SHA-256.

  Args:
    data_dir: A folder, or `table:FILE` or `folders:FOLDER`.
    sample_rate_hz: Of raw files; 0: see raw.files.load.
    clip_s: Length of the clips of raw files, in seconds; 0: the usual one.
    by_tensorflow: Whether TensorFlow is going to read the records, which does not go everywhere.

  Raises:
    DatasetError: if it is missing or damaged.
  """
  if files_lib.is_raw(data_dir):
    found = files_lib.load(
      data_dir, sample_rate_hz=sample_rate_hz, clip_s=clip_s or files_lib.CLIP_S
    )
    return found.manifest, found.digest
  if by_tensorflow:
    check_readable(data_dir)
  files = storage.storage_of(data_dir)
  return manifest_file.load(data_dir, files), manifest_file.digest(data_dir, files)


def check_readable(data_dir: str) -> None:
  """Refuses a place that TensorFlow, which reads the records, cannot read: before it is asked.

  Raises:
    ConfigError: says how to copy it.
  """
  scheme, mark, _ = data_dir.partition('://')
  if mark and scheme.lower() not in _READABLE:
    copy = f'aws s3 sync {data_dir} FOLDER' if scheme.lower() == 's3' else f'{data_dir} to FOLDER'
    raise errors.ConfigError(
      f'--data={data_dir}: records are read by TensorFlow, from disks of this machine and gs://, '
      f'and not from {scheme}://. Copy the data set here first ({copy}), and name --data=FOLDER.'
    )


def load_like(
  data_dir: str, trained: manifest.DatasetManifest, *, by_tensorflow: bool = True
) -> tuple[manifest.DatasetManifest, str]:
  """Returns the same; raw files get the form of those that a model was trained on."""
  audio = trained.audio
  rate_hz, clip_s = (audio.sample_rate_hz, audio.clip_s) if audio else (0, 0.0)
  return load(data_dir, sample_rate_hz=rate_hz, clip_s=clip_s, by_tensorflow=by_tensorflow)


def check_shards(
  data_dir: str, dataset: manifest.DatasetManifest, splits: Sequence[str] = ()
) -> None:
  """Refuses a data set whose shards are not those that its manifest says; raw files have none.

  Args:
    data_dir: What --data names.
    dataset: Its manifest.
    splits: Those that are going to be read; all by default.

  Raises:
    DatasetError: with the name of a file.
  """
  if files_lib.is_raw(data_dir):
    return
  if fold_view.is_fold(data_dir):
    fold = fold_view.load(data_dir)
    if fold.raw is not None:
      return
    data_dir, dataset, splits = fold.fold.data_dir, fold.manifest, ()
  names = splits or dataset.split_names()
  shard_files.check(data_dir, dataset, names, storage.storage_of(data_dir))


def check_count(
  num_read: int, dataset: manifest.DatasetManifest, split: str, *, data_dir: str
) -> None:
  """Raises DatasetError if a pass over a split gave more or fewer records than it has."""
  wanted = dataset.num_records(split)
  if num_read != wanted:
    raise errors.DatasetError(
      f'Of the {split} split of {data_dir!r} '
      f'{errors.counted(num_read, "record", "was", "were")} read, the manifest says '
      f'{wanted:,}. Were the files changed meanwhile? Run `python -m tfrecords.verify {data_dir}`.'
    )


def located(request: batch_request.BatchRequest) -> batch_request.BatchRequest:
  """Returns a request that says where the records of a fold lie; others as they are.

  Raises:
    DatasetError: if it is a fold, and its data set is missing or another than it was.
  """
  if not fold_view.is_fold(request.data_dir):
    return request
  return dataclasses.replace(request, excerpts=fold_view.load(request.data_dir).excerpts)


def read_batches(request: batch_request.BatchRequest) -> tf.data.Dataset:
  """Returns the batches that are asked for."""
  # Imported here: TensorFlow takes seconds, and a wrong flag is to be told at once.
  if fold_view.is_raw(request.data_dir):
    from trainer.data.raw import batches

    return batches.read_batches(request)
  from tfrecords.pipeline import dataset

  return dataset.read_batches(located(request))
