"""A split as a tf.data.Dataset of whole batches. Imports TensorFlow: for the trainer only.

`read_batches` is the whole pipeline; its steps stand by themselves, for pipelines of another order:

  paths = dataset.shard_paths(data_dir, manifest, 'train')
  records = dataset.read_records(paths, shuffle=True, seed=1)
  batches = records.batch(64).map(dataset.batch_parser(manifest, feature_names=['log_mel']))
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf

from schemas import errors, record
from schemas.manifest import DatasetManifest
from tfrecords import buffers, codec

# Shards read at once. The data job packs a train split into at least 16 where it can.
_CYCLE_SHARDS = 16
# Records taken from a shard before the next one's turn.
_BLOCK_RECORDS = 8
# Bytes asked from the storage at once, per shard.
_READ_BYTES = 1 << 20
# Lengths up to this ratio apart may change places, so that a small split has other batches in each
# pass.
_SIMILAR = 1.25

# What TensorFlow writes around an error, and what tells that an error is about our records.
_NOISE = re.compile(
  r'\{\{function_node .*?\}\}|Error in user-defined function .*? \w*Iterator::\S+: |\[Op:\w+\].*',
  re.DOTALL,
)
_OURS = 'as the manifest says.'
_OUR_CHECK = re.compile(rf'assertion failed: \[(.*?{_OURS})\]')
_ABOUT_RECORDS = re.compile(
  rf'{_OURS}|Could not parse example|is required but could not be found|\.tfrecord-\d+-of-\d+'
)

Batch = Mapping[str, tf.Tensor]


def read_batches(  # noqa: PLR0913 - all that decides which batches come, and nothing else.
  data_dir: str,
  manifest: DatasetManifest,
  split: str,
  *,
  feature_names: Sequence[str],
  batch_size: int,
  shuffle: bool,
  repeat: bool,
  drop_remainder: bool,
  seed: int,
  with_ids: bool = False,
  shuffle_bytes: int = buffers.SHUFFLE_BYTES,
) -> tf.data.Dataset:
  """Returns the batches of a split, the same ones in the same order for the same seed.

  With `shuffle` every epoch has an order of its own; with `repeat` batches go on over the ends of
  epochs, and no record comes an (n+1)th time before all came n times but for those that share the
  batch (the pool, see below) with the end of an epoch.

  A feature of variable length is padded with zeros to the longest of its batch. With `shuffle`
  the records of a batch have similar lengths: up to 16 batches are drawn as one pool, sorted by
  length (roughly: those up to a ratio of 1.25 apart may change places), and come in random order.
  A pool takes up to buffers.POOL_BYTES by the mean size of a record, or one batch where that is
  more.

  Args:
    data_dir: Folder of the data set.
    manifest: Its manifest.
    split: Such as `train`.
    feature_names: The features to read.
    batch_size: Records per batch.
    shuffle: Whether to mix; else records come in the same order in every epoch.
    repeat: Whether to go on forever.
    drop_remainder: Whether to leave out a last batch that is not full.
    seed: Decides the order.
    with_ids: Whether batches hold `id` and `speaker` too.
    shuffle_bytes: Memory for mixing.

  Returns:
    Dictionaries: a feature's name to [batch, *shape] in its stored dtype, `label` to int64 [batch],
    and with_ids `id` and `speaker` to string [batch]. For a feature of variable length
    num_rows_key(name) gives the rows of each clip, int64 [batch]; behind them there are zeros up
    to the longest clip of the batch.

  Raises:
    DatasetError: if the split has no records, the data set no such feature, or a file is missing.
  """
  specs = [manifest.feature(name) for name in feature_names]
  records = read_records(
    shard_paths(data_dir, manifest, split),
    shuffle=shuffle,
    seed=seed,
    shuffle_records=buffers.shuffle_records(manifest, split, shuffle_bytes),
  )
  # After the shuffle, so that every epoch is whole; before the batches, so that all are full.
  records = records.repeat() if repeat else records
  # Without an end there is no remainder, and TensorFlow may know the size of every batch.
  drop_remainder = drop_remainder or repeat
  if shuffle and any(spec.is_variable for spec in specs):
    count = buffers.pool_batches(manifest, split, batch_size=batch_size)
    records = _sorted_in_pools(records, batch_size=batch_size, num_batches=count, seed=seed)
  batches = records.batch(batch_size, drop_remainder=drop_remainder)
  parse = batch_parser(manifest, feature_names=feature_names, with_ids=with_ids)
  return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(
    tf.data.AUTOTUNE
  )


def shard_paths(data_dir: str, manifest: DatasetManifest, split: str) -> list[str]:
  """Returns the paths of a split's shards that have records, by index.

  Raises:
    DatasetError: if there are none, or files are missing or of another size than the manifest
      says.
  """
  shards = [shard for shard in manifest.shards_of(split) if shard.num_records]
  if not shards:
    raise errors.DatasetError(
      f'The data set in {data_dir!r} has no records in the split {split!r}; it has '
      f'{", ".join(manifest.split_names()) or "none at all"}. Pick one of these, or run the data '
      'job again with other split fractions.'
    )
  # One listing instead of a question per shard, which a bucket would answer slowly.
  present = set(tf.io.gfile.listdir(data_dir)) if tf.io.gfile.isdir(data_dir) else set()
  missing = [shard.file_name for shard in shards if shard.file_name not in present]
  if missing:
    raise errors.DatasetError(
      f'{len(missing)} of {len(shards)} shards of the split {split!r} are not in {data_dir!r}, the '
      f'first is {missing[0]!r}. Copy the folder again, or run the data job again with the same '
      'flags (whole shards are kept).'
    )
  return [tf.io.gfile.join(data_dir, shard.file_name) for shard in shards]


def num_rows_key(feature_name: str) -> str:
  """Returns where a batch holds the rows of each clip of a feature of variable length."""
  return f'{feature_name}/num_rows'


def _sorted_in_pools(
  records: tf.data.Dataset, *, batch_size: int, num_batches: int, seed: int
) -> tf.data.Dataset:
  """Returns the records so that those of a batch are about equally long.

  Buckets of fixed lengths would wait for `batch_size` records each: of a rare length the same few,
  again and again.
  """
  size = num_batches * batch_size

  def arrange(index: tf.Tensor, pool: tf.Tensor) -> tf.data.Dataset:
    jitter = tf.random.stateless_uniform([tf.size(pool)], [seed, index], 1.0, _SIMILAR)
    lengths = tf.cast(tf.strings.length(pool), tf.float32) * jitter
    pool = tf.gather(pool, tf.argsort(lengths, stable=True))
    num_full = tf.size(pool) // batch_size
    order = tf.random.experimental.stateless_shuffle(tf.range(num_full), seed=[seed, index])
    full = tf.reshape(pool[: num_full * batch_size], [num_full, batch_size])
    # The rest, where a split ends, stands last.
    shuffled = tf.reshape(tf.gather(full, order), [-1])
    return tf.data.Dataset.from_tensor_slices(
      tf.concat([shuffled, pool[num_full * batch_size :]], axis=0)
    )

  return records.batch(size).enumerate().flat_map(arrange)


def read_records(
  paths: Sequence[str], *, shuffle: bool = False, seed: int = 0, shuffle_records: int = 4096
) -> tf.data.Dataset:
  """Returns the serialized records of shards, interleaved; the same order for the same seed.

  Args:
    paths: Shard files.
    shuffle: Whether to mix shards and records, anew in each epoch.
    seed: Decides the order.
    shuffle_records: Records that are held for mixing.
  """
  files = tf.data.Dataset.from_tensor_slices(list(paths))
  if shuffle:
    files = files.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
  records = files.interleave(
    lambda path: tf.data.TFRecordDataset(path, buffer_size=_READ_BYTES),
    cycle_length=min(_CYCLE_SHARDS, len(paths)),
    block_length=_BLOCK_RECORDS,
    num_parallel_calls=tf.data.AUTOTUNE,
    deterministic=True,
  )
  if shuffle:
    # Another seed than that of the files: equal ones would tie the two orders together.
    records = records.shuffle(shuffle_records, seed=seed + 1, reshuffle_each_iteration=True)
  return records


def batch_parser(
  manifest: DatasetManifest, *, feature_names: Sequence[str], with_ids: bool = False
) -> Callable[[tf.Tensor], Batch]:
  """Returns the function from serialized records, string [batch], to a dictionary of tensors.

  It parses the whole batch at once, which is several times as fast as record by record.

  Raises:
    DatasetError: if the data set holds no such feature.
  """
  specs = [manifest.feature(name) for name in feature_names]
  fields = {spec.name: tf.io.FixedLenFeature([], tf.string) for spec in specs}
  fields[record.LABEL] = tf.io.FixedLenFeature([], tf.int64)
  if with_ids:
    fields[record.ID] = tf.io.FixedLenFeature([], tf.string)
    fields[record.SPEAKER] = tf.io.FixedLenFeature([], tf.string)

  def parse(serialized: tf.Tensor) -> Batch:
    batch = tf.io.parse_example(serialized, fields)
    batch[record.LABEL] = _checked_labels(batch[record.LABEL], manifest.num_labels)
    for spec in specs:
      if spec.is_variable:
        rows = tf.strings.length(batch[spec.name]) // spec.row_bytes
        batch[num_rows_key(spec.name)] = tf.cast(rows, tf.int64)
      batch[spec.name] = _array(batch[spec.name], spec)
    return dict(batch)

  return parse


def _checked_labels(labels: tf.Tensor, num_labels: int) -> tf.Tensor:
  # A loss on a GPU would quietly become NaN for a label that does not exist.
  message = f'Labels must be in [0, {num_labels}), {_OURS}'
  below = tf.debugging.assert_less(labels, tf.constant(num_labels, tf.int64), message)
  above = tf.debugging.assert_non_negative(labels, message)
  with tf.control_dependencies([check for check in (below, above) if check is not None]):
    return tf.identity(labels)


def _array(data: tf.Tensor, spec: record.FeatureSpec) -> tf.Tensor:
  """Returns the arrays [batch, *shape] in raw bytes [batch]; the longest decides for all."""
  lengths = tf.strings.length(data)
  check = _check_lengths(lengths, spec)
  with tf.control_dependencies([check] if check is not None else []):
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


def _check_lengths(lengths: tf.Tensor, spec: record.FeatureSpec) -> tf.Operation | None:
  """Returns the check that arrays have the bytes that the manifest says; None in eager mode."""
  if spec.num_bytes is None:
    is_whole = (lengths % spec.row_bytes == 0) & (lengths > 0)
    wanted = f'a multiple of {spec.row_bytes}'
  else:
    is_whole, wanted = lengths == spec.num_bytes, str(spec.num_bytes)
  return tf.debugging.assert_equal(
    is_whole,
    True,
    f'Feature {spec.name!r} must have {wanted} bytes in every record '
    f'({codec.shape_text(spec)}), {_OURS}',
  )


@contextlib.contextmanager
def readable_errors(data_dir: str) -> Iterator[None]:
  """Turns TensorFlow's errors about damaged data into a sentence; other errors pass.

  Batches are read when they are iterated over, so the loop over them goes inside.

  Raises:
    DatasetError: for a damaged, missing or foreign record in the shards of `data_dir`.
  """
  try:
    yield
  except (
    tf.errors.DataLossError,
    tf.errors.NotFoundError,
    tf.errors.InvalidArgumentError,
  ) as error:
    text = _NOISE.sub('', str(error.message)).strip()
    if not isinstance(error, tf.errors.DataLossError) and not _ABOUT_RECORDS.search(text):
      raise
    raise errors.DatasetError(
      f'Could not read the records in {data_dir!r}: {_sentence(text)} '
      f'Run `python -m tfrecords.verify {data_dir}` to see what is damaged.'
    ) from error


def _sentence(text: str) -> str:
  """Returns what went wrong, out of a message of TensorFlow without its noise."""
  check = _OUR_CHECK.search(text)  # It is followed by the values that failed it.
  if check:
    return check[1].replace("\\'", "'")
  # Above it stand stack traces of the graph, below it nodes in double brackets.
  lines = [line.strip() for line in text.splitlines()]
  said = [line for line in lines if line and not line.startswith('[[')]
  line = said[-1] if said else 'a record is damaged'
  return line if line.endswith('.') else f'{line}.'
