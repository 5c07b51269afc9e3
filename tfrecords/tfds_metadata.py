"""Writes what TensorFlow Datasets needs to open a data set's folder. The launcher calls it, once.

Afterwards `tfds.builder_from_directory(DIR).as_dataset(split='train')` yields the same arrays, to
code that has never heard of this project.
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas import audio, errors, naming, record
from schemas.manifest import DatasetManifest
from tfrecords import storage as storage_lib
from tfrecords.wire import codec


def write(
  data_dir: str,
  manifest: DatasetManifest,
  storage: storage_lib.Storage = storage_lib.LOCAL,
) -> tuple[str, ...]:
  """Writes dataset_info.json, features.json and label.labels.txt beside the shards.

  The same manifest gives the same files. A split without records is left out: TFDS has no name for
  it. Nothing is downloaded.

  Args:
    data_dir: Folder of the data set.
    manifest: Its manifest.
    storage: Where the folder lies.

  Returns:
    The names of the files.

  Raises:
    DatasetError: if tensorflow_datasets is not installed, cannot hold a label, or the storage
      refuses; then none of the files is there.
  """
  _check_labels(manifest.labels)
  with tempfile.TemporaryDirectory() as local_dir:
    _dataset_info(manifest).write_to_directory(local_dir)
    files = sorted(pathlib.Path(local_dir).iterdir())
    for number, path in enumerate(files):
      target = storage.join(data_dir, path.name)
      try:
        storage_lib.write_atomically(target, path.read_bytes(), storage)
      except OSError as error:
        for written in files[:number]:
          with contextlib.suppress(OSError):
            storage.remove(storage.join(data_dir, written.name))
        raise errors.DatasetError(
          f'Could not write {target!r}: {error.strerror or error}. Is there room on the disk, and '
          'may this user write there?'
        ) from error
  return tuple(path.name for path in files)


def _check_labels(labels: Sequence[str]) -> None:
  if unfit := naming.unfit_for_tfds(labels):
    raise errors.DatasetError(
      f'The TFDS metadata cannot hold the label {unfit[0]!r}: there a label is one line, without '
      'spaces around it. Rename it, or leave the metadata out: the trainer does not need them.'
    )


def _dataset_info(manifest: DatasetManifest) -> Any:
  """Returns the tfds.core.DatasetInfo of a data set."""
  try:
    # Seconds of import, and TensorFlow with it: only for who calls this.
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import dataset_info
  except ImportError as error:
    raise errors.DatasetError(
      'The TFDS metadata needs the package tensorflow-datasets, which is not installed here '
      f'({error}). Install the extra [train], or leave the metadata out: the trainer does not '
      'need it.'
    ) from error

  info = tfds.core.DatasetInfo(
    builder=dataset_info.DatasetIdentity(
      name=manifest.name,
      version=tfds.core.Version(f'{manifest.record_version}.0.0'),
      data_dir='',  # Not stored: whoever opens the folder knows where it is.
      module_name='',
    ),
    features=tfds.features.FeaturesDict(_features(tfds, manifest)),
    description=_description(manifest),
    supervised_keys=_supervised_keys(manifest),
  )
  info.set_file_format(tfds.core.FileFormat.TFRECORD)
  info.set_splits(
    tfds.core.splits.SplitDict([_split(tfds, manifest, name) for name in manifest.split_names()])
  )
  return info


def _features(tfds: Any, manifest: DatasetManifest) -> dict[str, Any]:
  return {
    record.ID: tfds.features.Text(doc='Unique in the data set.'),
    record.SPEAKER: tfds.features.Text(doc='Who speaks; in one split only.'),
    record.LABEL: tfds.features.ClassLabel(names=list(manifest.labels)),
    record.NUM_SAMPLES: tfds.features.Scalar(
      np.int64, doc='Samples of real audio; what follows is padding.'
    ),
    record.AUGMENTATION: tfds.features.Text(doc='What was done to a copy; empty for an original.'),
    **_origin(tfds),
    **{
      # One unknown axis needs no field for the shape: TFDS works it out from the bytes.
      spec.name: tfds.features.Tensor(
        shape=spec.shape, dtype=np.dtype(spec.dtype).type, encoding='bytes'
      )
      for spec in manifest.features
    },
  }


def _origin(tfds: Any) -> dict[str, Any]:
  return {
    record.FILE: tfds.features.Text(doc='Where the clip comes from, relative to the corpus.'),
    record.START_US: tfds.features.Scalar(
      np.int64, doc='Where it begins in the file, in microseconds.'
    ),
    record.END_US: tfds.features.Scalar(np.int64, doc='Where it ends there.'),
    record.FIELDS: tfds.features.Text(doc='What else the corpus says of it, as a JSON object.'),
  }


def _split(tfds: Any, manifest: DatasetManifest, split: str) -> Any:
  shards = manifest.shards_of(split)
  return tfds.core.SplitInfo(
    name=split,
    shard_lengths=[shard.num_records for shard in shards],
    num_bytes=sum(shard.num_bytes for shard in shards),
    filename_template=tfds.core.ShardedFileTemplate(
      data_dir='', dataset_name=manifest.name, split=split, filetype_suffix='tfrecord'
    ),
  )


def _supervised_keys(manifest: DatasetManifest) -> tuple[str, str] | None:
  # With several features there is no telling which one is the input.
  return (manifest.features[0].name, record.LABEL) if len(manifest.features) == 1 else None


def _description(manifest: DatasetManifest) -> str:
  arrays = ', '.join(f'{spec.name} ({codec.shape_text(spec)})' for spec in manifest.features)
  return (
    f'{_content(manifest.audio)} as {arrays}. '
    f'Written by Voxshard; manifest.json holds its settings, statistics and digests.'
  )


def _content(spec: audio.AudioSpec | None) -> str:
  if spec is None:
    return 'Pictures'
  length = 'of their own length' if spec.is_variable else f'of {spec.clip_s:g} s'
  return f'Clips {length} at {spec.sample_rate_hz} Hz'
