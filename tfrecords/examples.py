"""The records of a split, one by one as NumPy arrays: for your own loops, without TensorFlow."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from schemas import errors
from tfrecords import held_out, manifest_file, reader, storage
from tfrecords.pipeline import batch_request
from tfrecords.wire import codec


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
  """One clip or picture of a data set.

  Attributes:
    id: Unique in the data set.
    speaker: Who speaks.
    label: The name of its label.
    label_index: Its place among the manifest's labels.
    arrays: By the name of a feature, in its stored dtype: [rows, ...] as the manifest says.
    num_samples: How many samples of the clip are audio and no padding.
    augmentation: What was done to a copy; '' for an original.
    file: Where it comes from, relative to the corpus's folder; '' where nobody says.
    start_s: Where it begins there, in seconds.
    end_s: Where it ends there; 0 where nobody says.
    fields: What else the corpus says of it, by name.
  """

  id: str
  speaker: str
  label: str
  label_index: int
  arrays: Mapping[str, NDArray[Any]]
  num_samples: int
  augmentation: str
  file: str
  start_s: float
  end_s: float
  fields: Mapping[str, str]


def read(
  data_dir: str,
  split: str,
  *,
  feature_names: Sequence[str] = (),
  part: int = 0,
  num_parts: int = 1,
) -> Iterator[Example]:
  """Yields the examples of a split in the order of its shards, in which labels and voices mix.

  Memory holds one at a time. Every reader of several takes shards of its own: each example comes to
  one of them.

  Args:
    data_dir: Folder of a data set, local or in a bucket.
    split: Such as `train`.
    feature_names: Which features; none: all.
    part: Which part of the shards, from 0.
    num_parts: Of how many.

  Raises:
    DatasetError: if there is no whole data set, or it has no such split or feature.
    RecordError: if a shard or a record is damaged.
  """
  if not 0 <= part < num_parts:
    raise errors.ConfigError(f'part must be in [0, {num_parts}), got {part}.')
  manifest = manifest_file.load(data_dir, storage.storage_of(data_dir))
  if not manifest.num_records(split):
    raise errors.DatasetError(
      f'The data set in {data_dir!r} has no {split} split; it has '
      f'{", ".join(manifest.split_names()) or "no records"}.'
    )
  names = feature_names or [spec.name for spec in manifest.features]
  mine = tuple(manifest.shards_of(split)[part::num_parts])
  asked = batch_request.BatchRequest(
    data_dir=data_dir,
    manifest=dataclasses.replace(manifest, shards=mine),
    split=split,
    feature_names=tuple(names),
    batch_size=1,
  )
  for clip in records(asked):
    yield Example(
      id=clip.utterance_id,
      speaker=clip.speaker_id,
      label=manifest.labels[clip.label] if manifest.is_labelled else '',
      label_index=clip.label,
      arrays=clip.arrays,
      num_samples=clip.num_samples,
      augmentation=clip.augmentation,
      file=clip.file,
      start_s=clip.start_us / 1e6,
      end_s=clip.end_us / 1e6,
      fields=clip.fields,
    )


def records(asked: batch_request.BatchRequest) -> Iterator[codec.Record]:
  """Yields the records of a split in the order of its shards.

  Args:
    asked: Of it the data set, the split, the features and the excerpts are looked at.

  Raises:
    RecordError: if a shard or a record is damaged.
  """
  features = [asked.manifest.feature(name) for name in asked.feature_names]
  numbers = held_out.numbers(asked.manifest)
  for path, data in _serialized(asked):
    clip = codec.decode(data, features, record_version=asked.manifest.record_version)
    if clip.label >= len(numbers):
      raise errors.RecordError(
        f'{path}, record {clip.utterance_id!r}: its label is number {clip.label}, and the '
        f'manifest names {len(numbers)}. {reader.REMEDY}'
      )
    if numbers[clip.label] >= 0:
      yield dataclasses.replace(clip, label=numbers[clip.label])


def _serialized(asked: batch_request.BatchRequest) -> Iterator[tuple[str, bytes]]:
  """Yields the records of a split, each with the path of its file."""
  files = storage.storage_of(asked.data_dir)
  for shard in asked.manifest.shards_of(asked.split):
    if shard.file_name in asked.excerpts:
      one = asked.excerpts[shard.file_name]
      whole = reader.read_records(one.path, storage.storage_of(one.data_dir))
      for data, is_taken in zip(whole, one.is_taken.tolist(), strict=True):
        if is_taken:
          yield one.path, data
    else:
      path = files.join(asked.data_dir, shard.file_name)
      for data in reader.read_records(path, files):
        yield path, data
