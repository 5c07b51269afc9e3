"""Lets a tf.data service run a pipeline: its workers read and parse, this process trains."""

from __future__ import annotations

import tensorflow as tf

from schemas import stable_hash
from tfrecords.pipeline import tf_options

_DYNAMIC = tf.data.experimental.service.ShardingPolicy.DYNAMIC


def distributed(batches: tf.data.Dataset, address: str, *, name: str = '') -> tf.data.Dataset:
  """Returns the batches of a pipeline, as the workers of a cluster make them.

  The dispatcher deals out what the pipeline begins with: shards where it reads in order, groups of
  shards and passes where it mixes. So every element comes exactly once, unless a worker is lost: of
  what it was dealt, a part may then be missing. Their order is that in which they are ready.

  Args:
    batches: The pipeline; its files must be where the workers find them.
    address: The dispatcher, grpc://HOST:PORT.
    name: Processes that give the same name and pipeline share the batches: each comes to one of
      them. Without a name this process gets all.
  """
  distribute = tf.data.experimental.service.distribute(
    processing_mode=_DYNAMIC, service=address, job_name=name or None
  )
  return tf_options.with_options(batches.apply(distribute), deterministic=False)


def shared_name(*parts: str | int) -> str:
  """Returns the name of what all processes of one training share."""
  return 'voxshard-' + stable_hash.digest('\n'.join(map(str, parts)), salt='data_service').hex()
