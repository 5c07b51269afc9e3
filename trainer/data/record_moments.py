"""Mean and variance of stored features, added up as records are read; without TensorFlow.

They are those of stored values: the data job's are of the values before they were rounded to what
is stored.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from features import stored_form
from schemas import manifest, record, splits
from tfrecords import examples
from tfrecords.finishing import moments as moments_lib
from tfrecords.pipeline import batch_request
from tfrecords.wire import codec
from trainer.data import named_data

# Records whose arrays are added up together.
CHUNK_RECORDS = 128


def add(
  moments: dict[str, moments_lib.Moments],
  clips: Sequence[codec.Record],
  features: Iterable[record.FeatureSpec],
) -> None:
  """Adds the arrays of some records to what was found of each feature before."""
  for spec in features:
    rows = [clip.arrays[spec.name].reshape(-1, spec.num_bins) for clip in clips]
    found = moments_lib.Moments.of(stored_form.from_stored(np.concatenate(rows)), spec.num_bins)
    before = moments.get(spec.name)
    moments[spec.name] = before.merge(found) if before else found


def of_train_split(
  data_dir: str, dataset: manifest.DatasetManifest, features: Sequence[record.FeatureSpec]
) -> dict[str, manifest.FeatureStatistics]:
  """Returns mean and variance over the records that a manifest has of its train split.

  Args:
    data_dir: The data set, or a fold of one; no raw files.
    dataset: Its manifest, which may leave labels out.
    features: Of which of its features.

  Raises:
    RecordError: if a shard or a record is damaged.
    DatasetError: if there are other records than the manifest says.
  """
  request = batch_request.BatchRequest(
    data_dir=data_dir,
    manifest=dataset,
    split=splits.TRAIN,
    feature_names=tuple(spec.name for spec in features),
    batch_size=1,
  )
  moments: dict[str, moments_lib.Moments] = {}
  num_read, clips = 0, examples.records(named_data.located(request))
  while chunk := list(itertools.islice(clips, CHUNK_RECORDS)):
    add(moments, chunk, features)
    num_read += len(chunk)
  named_data.check_count(num_read, dataset, splits.TRAIN, data_dir=data_dir)
  return {name: found.to_statistics() for name, found in moments.items()}
