"""A split as a tf.data.Dataset of whole batches. Imports TensorFlow: for the trainer only.

`read_batches` is the whole pipeline; its steps stand by themselves, for pipelines of another order:

  paths = dataset.shard_paths(data_dir, manifest, 'train')
  records = dataset.read_records(paths, shuffle=True, seed=1)
  batches = records.batch(64).map(batch_parser.make(manifest, feature_names=['log_mel']))
"""

import contextlib
import re
from collections.abc import Iterator, Sequence

import tensorflow as tf

from schemas import errors
from schemas.manifest import DatasetManifest
from tfrecords import batch_parser

# Shards read at once. The data job packs a train split into at least 16 where it can.
_CYCLE_SHARDS = 16
# Records taken from a shard before the next one's turn.
_BLOCK_RECORDS = 8
# Bytes asked from the storage at once, per shard.
_READ_BYTES = 1 << 20
# A shuffle mixes this much: 4,200 clips of log-mel 98x80 in float16. A shard's own records lie in
# the order of a hash, so the buffer only has to mix the shards that are read at once with those
# that follow. Measured on 2 cores with 16,000 such clips, several runs: no shuffle 48,000 to 55,000
# clips/s, 64 MiB 24,000 to 50,000, 256 MiB 16,000 to 38,000: memory seen first is slow.
SHUFFLE_BYTES = 64 << 20
_MAX_SHUFFLE_RECORDS = 1 << 16
# Batches that are cut from one pool of records sorted by length, at most, and the bytes of a pool.
# For a moment there are three copies of it: as read, in order, in random batches.
_POOL_BATCHES = 16
POOL_BYTES = 64 << 20
# Lengths up to this ratio apart may change places, so that a small split has other batches in each
# pass.
_SIMILAR = 1.25

# What TensorFlow writes around an error, and what tells that an error is about our records.
_NOISE = re.compile(
  r'\{\{function_node .*?\}\}|Error in user-defined function .*? \w*Iterator::\S+: |\[Op:\w+\].*',
  re.DOTALL,
)
_OUR_CHECK = re.compile(rf'assertion failed: \[(.*?{batch_parser.OURS})\]')
_ABOUT_RECORDS = re.compile(
  rf'{batch_parser.OURS}|Could not parse example|is required but could not be found|'
  r'\.tfrecord-\d+-of-\d+'
)


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
  shuffle_bytes: int = SHUFFLE_BYTES,
) -> tf.data.Dataset:
  """Returns the batches of a split, the same ones in the same order for the same seed.

  With `shuffle` every epoch has an order of its own; with `repeat` batches go on over the ends of
  epochs, and no record comes an (n+1)th time before all came n times but for those that share the
  batch (the pool, see below) with the end of an epoch.

  A feature of variable length is padded with zeros to the longest of its batch. With `shuffle`
  the records of a batch have similar lengths: up to 16 batches are drawn as one pool, sorted by
  length (roughly: those up to a ratio of 1.25 apart may change places), and come in random order.
  A pool takes up to POOL_BYTES by the mean size of a record, or one batch if that takes more.

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
    batch_parser.num_rows_key(name) gives the rows of each clip, int64 [batch]; behind them there
    are zeros up to the longest clip of the batch.

  Raises:
    DatasetError: if the split has no records, the data set no such feature, or a file is missing.
  """
  specs = [manifest.feature(name) for name in feature_names]
  records = read_records(
    shard_paths(data_dir, manifest, split),
    shuffle=shuffle,
    seed=seed,
    shuffle_records=shuffle_records(manifest, split, shuffle_bytes),
  )
  # After the shuffle, so that every epoch is whole; before the batches, so that all are full.
  records = records.repeat() if repeat else records
  # Without an end there is no remainder, and TensorFlow may know the size of every batch.
  drop_remainder = drop_remainder or repeat
  if shuffle and any(spec.is_variable for spec in specs):
    count = pool_batches(manifest, split, batch_size=batch_size)
    records = _sorted_in_pools(records, batch_size=batch_size, num_batches=count, seed=seed)
  batches = records.batch(batch_size, drop_remainder=drop_remainder)
  parse = batch_parser.make(manifest, feature_names=feature_names, with_ids=with_ids)
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


def shuffle_records(
  manifest: DatasetManifest, split: str, shuffle_bytes: int = SHUFFLE_BYTES
) -> int:
  """Returns how many records a shuffle may hold in `shuffle_bytes`: at most the whole split."""
  fitting = int(shuffle_bytes / _mean_bytes(manifest, split))
  return max(1, min(manifest.num_records(split), fitting, _MAX_SHUFFLE_RECORDS))


def pool_batches(
  manifest: DatasetManifest, split: str, *, batch_size: int, pool_bytes: int = POOL_BYTES
) -> int:
  """Returns how many batches are cut from one pool: at most 16, and no more than the split has."""
  fitting = int(pool_bytes / (batch_size * _mean_bytes(manifest, split)))
  return max(1, min(_POOL_BATCHES, fitting, manifest.num_records(split) // batch_size))


def _mean_bytes(manifest: DatasetManifest, split: str) -> float:
  """Returns the bytes of a record in memory, with about 100 around it."""
  num_bytes = sum(shard.num_bytes for shard in manifest.shards_of(split))
  return 100 + num_bytes / max(1, manifest.num_records(split))


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
