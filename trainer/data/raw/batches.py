"""Raw files as batches: read and decoded in the graph, in the order that shards would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from schemas import errors, record
from schemas.manifest import DatasetManifest
from tfrecords.pipeline import caches, parts, shares
from tfrecords.pipeline import order as order_lib
from trainer.data.raw import files as files_lib
from trainer.data.raw import graph_decoders
from trainer.models import front_end


def read_batches(  # noqa: PLR0913 - as dataset.read_batches, whose place it takes.
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
  start_step: int = 0,
  share: shares.Share = shares.ALL,
  cache: str = caches.NONE,
  cache_dir: str = '',
  deterministic: bool = True,
) -> tf.data.Dataset:
  """Returns batches as dataset.read_batches does; its arguments are described there.

  The order is a function of the seed too, and mixes the whole split. Files that lie before
  `start_step`, or in the shares of others, are not opened. Every pass decodes anew.

  Args:
    data_dir: As --data says it: `table:FILE` or `folders:FOLDER`.
    manifest: What raw_files.load made of it.
    split: One of its splits.
    feature_names: The waveform alone.
    batch_size: Files per batch.
    shuffle: Whether to mix.
    repeat: Whether to go on forever.
    drop_remainder: Whether to leave out a last batch that is not full.
    seed: Decides the order.
    with_ids: Whether batches hold `id` and `speaker` too.
    start_step: Batches that are left out at the beginning.
    share: What of each batch this reader takes.
    cache: caches.NONE: there are no records that could be kept.
    cache_dir: Not needed.
    deterministic: Whether the order is kept where a file takes longer than others.

  Raises:
    ConfigError: if something is to be cached.
  """
  if cache != caches.NONE:
    raise errors.ConfigError(
      f'--cache={cache} keeps the records of a data set, and {data_dir!r} has none: leave --cache '
      'away, or let the data job store the files.'
    )
  del feature_names, cache_dir
  files, clip_samples = _files(data_dir, manifest, split)
  order = order_lib.Order(
    shuffle=shuffle,
    repeat=repeat,
    seed=seed,
    shuffle_records=len(files.clips),
    start=start_step * batch_size,
  )
  numbers = order_lib.ordered(
    [len(files.clips)], lambda shard: tf.data.Dataset.range(len(files.clips)), order
  )
  numbers = parts.divided(numbers.batch(batch_size, drop_remainder=drop_remainder or repeat), share)
  batches = numbers.map(
    _reader(files, clip_samples, with_ids=with_ids),
    num_parallel_calls=tf.data.AUTOTUNE,
    deterministic=deterministic,
  )
  return batches.prefetch(tf.data.AUTOTUNE)


def _files(data_dir: str, manifest: DatasetManifest, split: str) -> tuple[files_lib.Split, int]:
  """Returns the files of a split, and the samples that are kept of each.

  Raises:
    DatasetError: if the files are others than those of the manifest.
  """
  audio = manifest.audio
  if audio is None:
    raise errors.DatasetError(f'{data_dir!r} names audio, and the manifest is of pictures.')
  found = files_lib.load(data_dir, sample_rate_hz=audio.sample_rate_hz, clip_s=audio.clip_s)
  return found.splits[split], audio.clip_samples


def _reader(
  files: files_lib.Split, clip_samples: int, *, with_ids: bool
) -> Callable[[tf.Tensor], Mapping[str, tf.Tensor]]:
  """Returns the function from the numbers of clips, int64 [batch], to a batch."""
  paths = [clip.path for clip in files.clips]
  ids = [clip.clip_id for clip in files.clips]
  speakers = [clip.speaker for clip in files.clips]
  codecs = sorted(set(files.codecs))

  def decode(number: tf.Tensor) -> tf.Tensor:
    codec = tf.gather(list(files.codecs), number)
    return graph_decoders.clip(tf.gather(paths, number), codec, codecs, clip_samples)

  def read(numbers: tf.Tensor) -> Mapping[str, tf.Tensor]:
    samples = tf.map_fn(
      decode,
      numbers,
      fn_output_signature=tf.TensorSpec([clip_samples], tf.float32),
      parallel_iterations=16,
    )
    batch = {
      front_end.WAVEFORM: tf.ensure_shape(samples, [numbers.shape[0], clip_samples]),
      record.LABEL: tf.gather(tf.constant(files.labels, tf.int64), numbers),
    }
    if with_ids:
      batch[record.ID], batch[record.SPEAKER] = (
        tf.gather(ids, numbers),
        tf.gather(speakers, numbers),
      )
    return batch

  return read
