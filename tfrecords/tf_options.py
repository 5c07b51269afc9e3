"""How tf.data runs our pipelines. Imports TensorFlow: for the trainer only."""

import tensorflow as tf


def with_options(dataset: tf.data.Dataset, *, deterministic: bool) -> tf.data.Dataset:
  """Returns the dataset with the options of every pipeline of ours.

  Args:
    dataset: The whole pipeline.
    deterministic: Whether elements come in their order; else in the order in which they are ready.
  """
  options = tf.data.Options()
  options.deterministic = deterministic
  # The pipeline divides itself (shares.py); TensorFlow would warn that it cannot divide the files.
  options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
  # Reading begins while the model is compiled.
  options.experimental_warm_start = True
  return dataset.with_options(options)
