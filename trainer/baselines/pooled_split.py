"""Reads a split of a data set once, and pools each clip as it passes. Without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import errors, record
from tfrecords import examples
from tfrecords.pipeline import batch_request
from tfrecords.resources import free_memory
from tfrecords.wire import codec
from trainer.baselines import pooling as pooling_lib
from trainer.data import named_data
from trainer.devices import memory_budget
from trainer.predictions import clip_answers

_FLOAT32_BYTES = 4


class Pooled(NamedTuple):
  """Some clips.

  Attributes:
    origins: Which clips.
    labels: int64 [clips].
    vectors: float32 [clips, values].
  """

  origins: clip_answers.Origins
  labels: NDArray[np.int64]
  vectors: NDArray[np.float32]


def read_batches(
  asked: batch_request.BatchRequest, pooling: pooling_lib.Pooling
) -> Iterator[Pooled]:
  """Yields the clips of a split in the order of its shards, so many at a time as are asked for.

  Raises:
    RecordError: if a shard or a record is damaged.
    DatasetError: if a feature holds what is no number.
  """
  feature = asked.manifest.feature(asked.feature_names[0])
  size = pooling.num_values(feature)
  clips: list[codec.Record] = []
  vectors: list[NDArray[np.float32]] = []
  for clip in examples.records(named_data.located(asked)):
    with np.errstate(over='ignore', invalid='ignore'):  # It is looked at here, and said.
      vector = pooling.pooled(clip.arrays[feature.name], feature)
    if not np.isfinite(vector).all():
      raise errors.DatasetError(
        f'Record {clip.utterance_id!r} in {asked.data_dir!r}: its {feature.name} holds what is no '
        'number, or is too large for float32. Run the data job again, or leave the clip out.'
      )
    clips.append(clip)
    vectors.append(vector)
    if len(clips) == asked.batch_size:
      yield _together(clips, vectors, size)
      clips, vectors = [], []
  if clips:
    yield _together(clips, vectors, size)


def read(
  asked: batch_request.BatchRequest, pooling: pooling_lib.Pooling
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
  """Returns the vectors of a whole split, float32 [clips, values], and its labels, int64 [clips].

  Raises:
    RecordError, DatasetError: as read_batches; and where there are other than the manifest says.
  """
  num_clips = asked.manifest.num_records(asked.split)
  feature = asked.manifest.feature(asked.feature_names[0])
  vectors = np.empty((num_clips, pooling.num_values(feature)), np.float32)
  labels = np.empty(num_clips, np.int64)
  num_read = 0
  for batch in read_batches(asked, pooling):
    end = num_read + len(batch.labels)
    if end <= num_clips:
      vectors[num_read:end], labels[num_read:end] = batch.vectors, batch.labels
    num_read = end
  named_data.check_count(num_read, asked.manifest, asked.split, data_dir=asked.data_dir)
  return vectors, labels


def check_batch(
  pooling: pooling_lib.Pooling, feature: record.FeatureSpec, *, batch_size: int, num_clips: int
) -> None:
  """Refuses batches that cannot fit.

  Args:
    pooling: How clips are pooled.
    feature: What is pooled.
    batch_size: Clips of a batch, as asked.
    num_clips: How many there are: no batch is larger.

  Raises:
    ConfigError: with the largest batch that fits.
  """
  budget = memory_budget.Budget(
    place=memory_budget.MACHINE,
    free_bytes=free_memory.free_bytes(),
    model_bytes=0,
    example_bytes=_FLOAT32_BYTES * pooling.num_values(feature),
    batch_size=min(batch_size, num_clips),
  )
  memory_budget.check(budget, asked=batch_size, model='of scikit-learn')


def _together(clips: list[codec.Record], vectors: list[NDArray[np.float32]], size: int) -> Pooled:
  return Pooled(
    origins=clip_answers.Origins(
      ids=[clip.utterance_id for clip in clips],
      speakers=[clip.speaker_id for clip in clips],
      files=[clip.file for clip in clips],
      start_us=[clip.start_us for clip in clips],
      end_us=[clip.end_us for clip in clips],
      fields=[codec.fields_text(clip.fields) for clip in clips],
      augmentations=[clip.augmentation for clip in clips],
    ),
    labels=np.array([clip.label for clip in clips], np.int64),
    vectors=np.concatenate(vectors).reshape(len(clips), size),
  )
