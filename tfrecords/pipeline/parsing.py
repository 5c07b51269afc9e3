"""From the bytes of whole batches of records to tensors. Imports TensorFlow: for the trainer."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from schemas import record
from schemas.manifest import DatasetManifest
from tfrecords import held_out
from tfrecords.wire import codec

# How our own checks end: so their sentences are found in TensorFlow's messages (read_errors.py).
AS_THE_MANIFEST_SAYS = 'as the manifest says.'

Batch = Mapping[str, tf.Tensor]


def num_rows_key(feature_name: str) -> str:
  """Returns where a batch holds the rows of each clip of a feature of variable length."""
  return f'{feature_name}/num_rows'


def batch_parser(
  manifest: DatasetManifest,
  *,
  feature_names: Sequence[str],
  with_ids: bool = False,
  with_origins: bool = False,
) -> Callable[[tf.Tensor], Batch]:
  """Returns the function from serialized records, string [batch], to a dictionary of tensors.

  It parses the whole batch at once, which is several times as fast as record by record.

  Raises:
    DatasetError: if the data set holds no such feature.
  """
  specs = [manifest.feature(name) for name in feature_names]
  numbers = held_out.numbers(manifest)
  fields = {spec.name: tf.io.FixedLenFeature([], tf.string) for spec in specs}
  fields[record.LABEL] = tf.io.FixedLenFeature([], tf.int64)
  if with_ids:
    fields[record.ID] = tf.io.FixedLenFeature([], tf.string)
    fields[record.SPEAKER] = tf.io.FixedLenFeature([], tf.string)
  if with_origins:
    fields[record.AUGMENTATION] = tf.io.FixedLenFeature([], tf.string)
    if manifest.record_version >= record.FIRST_WITH_ORIGIN:
      for name in record.OF_ORIGIN:
        is_time = name in (record.START_US, record.END_US)
        fields[name] = tf.io.FixedLenFeature([], tf.int64 if is_time else tf.string)

  def parse(serialized: tf.Tensor) -> Batch:
    batch = tf.io.parse_example(serialized, fields)
    labels = _checked_labels(batch[record.LABEL], len(numbers))
    is_view = len(numbers) > manifest.num_labels
    batch[record.LABEL] = renumbered(labels, numbers) if is_view else labels
    for spec in specs:
      if spec.is_variable:
        rows = tf.strings.length(batch[spec.name]) // spec.row_bytes
        batch[num_rows_key(spec.name)] = tf.cast(rows, tf.int64)
      batch[spec.name] = _array(batch[spec.name], spec)
    return dict(batch)

  return parse


def labels_of(serialized: tf.Tensor) -> tf.Tensor:
  """Returns the labels of serialized records, int64 [n]; nothing else of them is parsed."""
  fields = {record.LABEL: tf.io.FixedLenFeature([], tf.int64)}
  return tf.io.parse_example(serialized, fields)[record.LABEL]


def renumbered(labels: tf.Tensor, numbers: Sequence[int]) -> tf.Tensor:
  """Returns the labels of records as a view of their data set numbers them; see held_out."""
  return tf.gather(tf.constant(numbers, tf.int64), labels)


def _checked_labels(labels: tf.Tensor, num_labels: int) -> tf.Tensor:
  # A loss on a GPU would quietly become NaN for a label that does not exist.
  check = _check(
    (labels >= 0) & (labels < num_labels),
    f'Labels must be in [0, {num_labels}), {AS_THE_MANIFEST_SAYS}',
  )
  with tf.control_dependencies(check):
    return tf.identity(labels)


def _array(data: tf.Tensor, spec: record.FeatureSpec) -> tf.Tensor:
  """Returns the arrays [batch, *shape] in raw bytes [batch]; the longest decides for all."""
  lengths = tf.strings.length(data)
  with tf.control_dependencies(_check_lengths(lengths, spec)):
    if spec.num_bytes is None:
      flat = _decode_padded(data, tf.as_dtype(spec.dtype), tf.reduce_max(lengths))
      array = tf.reshape(flat, [-1, tf.reduce_max(lengths) // spec.row_bytes, *spec.row_shape])
    else:
      flat = tf.io.decode_raw(data, tf.as_dtype(spec.dtype), little_endian=True)
      array = tf.reshape(flat, [-1, *spec.shape])
  array.set_shape([data.shape[0], *spec.shape])  # The batch is known where it is always full.
  return array


def _decode_padded(data: tf.Tensor, dtype: tf.DType, num_bytes: tf.Tensor) -> tf.Tensor:
  """Returns [batch, values], with zeros behind arrays of fewer than `num_bytes` bytes."""
  # TensorFlow pads float32, int16 and uint8 on its own, but has no such kernel for float16.
  stored = tf.int16 if dtype == tf.float16 else dtype
  flat = tf.io.decode_raw(data, stored, little_endian=True, fixed_length=num_bytes)
  return tf.bitcast(flat, dtype)


def _check_lengths(lengths: tf.Tensor, spec: record.FeatureSpec) -> list[tf.Operation]:
  """Returns the check that arrays have the bytes that the manifest says."""
  if spec.num_bytes is None:
    is_whole = (lengths % spec.row_bytes == 0) & (lengths > 0)
    wanted = f'a multiple of {spec.row_bytes}'
  else:
    is_whole, wanted = lengths == spec.num_bytes, str(spec.num_bytes)
  return _check(
    is_whole,
    f'Feature {spec.name!r} must have {wanted} bytes in every record '
    f'({codec.shape_text(spec)}), {AS_THE_MANIFEST_SAYS}',
  )


def _check(is_good: tf.Tensor, message: str) -> list[tf.Operation]:
  """Returns the operation that fails with the message unless all is good; in eager mode it ran."""
  # Those of tf.debugging put a branch with two functions into the graph, for values to be shown.
  check = tf.raw_ops.Assert(condition=tf.reduce_all(is_good), data=[message])
  return [check] if check is not None else []
