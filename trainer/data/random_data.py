"""Made-up batches of a data set's shapes, held on the devices: what training costs without input.

For debugging, and as the ruler of the input pipeline: no step can be faster than with these.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from schemas import record, splits
from schemas.manifest import DatasetManifest
from tfrecords.pipeline import parsing, shares
from trainer.data import device_feed


def batches(batch: dict[str, tf.Tensor], strategy: tf.distribute.Strategy) -> Iterator[Any]:
  """Returns a batch without end, each replica's part on its device.

  Args:
    batch: Tensors [batch, ...] by name.
    strategy: Whose replicas take the parts.
  """
  if not device_feed.is_distributed(strategy):
    return itertools.repeat({name: tf.identity(tensor) for name, tensor in batch.items()})

  def part(context: tf.distribute.ValueContext) -> dict[str, tf.Tensor]:
    size = len(batch[record.LABEL])
    bounds = shares.part_bounds(size, context.num_replicas_in_sync)
    start, end = bounds[context.replica_id_in_sync_group :][:2]
    return {name: tensor[start:end] for name, tensor in batch.items()}

  return itertools.repeat(strategy.experimental_distribute_values_from_function(part))


def make(
  manifest: DatasetManifest, feature_name: str, *, batch_size: int, seed: int
) -> dict[str, tf.Tensor]:
  """Returns a batch as dataset.read_batches gives it, of noise and random labels."""
  spec = manifest.feature(feature_name)
  rng = np.random.default_rng(seed)
  rows = spec.shape[0] or _mean_rows(manifest, spec)
  made = {
    feature_name: tf.constant(_noise(rng, (batch_size, rows, *spec.row_shape), spec.dtype)),
    record.LABEL: tf.constant(rng.integers(0, manifest.num_labels, batch_size)),
  }
  if spec.is_variable:
    made[parsing.num_rows_key(feature_name)] = tf.fill([batch_size], tf.constant(rows, tf.int64))
  return made


def _mean_rows(manifest: DatasetManifest, spec: record.FeatureSpec) -> int:
  """Returns about how many rows a clip has that stands for all of any length."""
  num_bytes = sum(shard.num_bytes for shard in manifest.shards_of(splits.TRAIN))
  per_row = sum(other.row_bytes for other in manifest.features if other.is_variable)
  return max(1, num_bytes // max(1, manifest.num_records(splits.TRAIN)) // per_row)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
  if np.issubdtype(dtype, np.floating):
    return rng.standard_normal(shape, np.float32).astype(dtype)
  limits = np.iinfo(dtype)
  return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
