"""Raw files as batches: read and decoded in the graph, in the order that shards would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from schemas import errors, record
from schemas.manifest import DatasetManifest
from tfrecords.pipeline import balance, batch_request, caches, parts
from tfrecords.pipeline import order as order_lib
from trainer.data import computed_feature, fold_view
from trainer.data.raw import files as files_lib
from trainer.data.raw import graph_decoders


def read_batches(request: batch_request.BatchRequest) -> tf.data.Dataset:
  """Returns batches as dataset.read_batches does, of what files.load made a manifest of.

  The order is a function of the seed too, and mixes the whole split. Files that lie before
  `start_step`, or in the shares of others, are not opened. Every pass decodes anew.

  Raises:
    ConfigError: if something is to be cached.
  """
  if request.cache != caches.NONE:
    raise errors.ConfigError(
      f'--cache={request.cache} keeps the records of a data set, and {request.data_dir!r} has '
      'none: leave --cache away, or let the data job store the files.'
    )
  found = _loaded(request)
  manifest = request.manifest
  known = set(manifest.labels)  # Of a view without some labels (held_out), not all.
  files = [file for file in found.splits[request.split] if file.label in known]
  numbers = _numbers(request, files, manifest)
  numbers = numbers.batch(
    request.batch_size, drop_remainder=request.drop_remainder or request.repeat
  )
  batches = parts.divided(numbers, request.share).map(
    _reader(files, manifest, request),
    num_parallel_calls=tf.data.AUTOTUNE,
    deterministic=request.deterministic,
  )
  return batches.prefetch(tf.data.AUTOTUNE)


def _numbers(
  request: batch_request.BatchRequest, files: Sequence[files_lib.File], manifest: DatasetManifest
) -> tf.data.Dataset:
  """Returns the numbers of files in the order that is asked for."""
  start = request.start_step * request.batch_size
  if request.balanced:
    labels = _labels(files, manifest)
    return balance.balanced(
      [manifest.label_counts(request.split)],
      lambda shard: tf.data.Dataset.range(len(files)),
      lambda numbers: tf.gather(labels, numbers),
      balance.Balance(
        batch_size=request.balanced,
        seed=request.seed,
        shuffle_records=len(files) * manifest.num_labels,  # All of each label.
        start=start,
        chunk_records=len(files),
      ),
    )
  order = order_lib.Order(
    shuffle=request.shuffle,
    repeat=request.repeat,
    seed=request.seed,
    shuffle_records=len(files),
    start=start,
  )
  return order_lib.ordered([len(files)], lambda shard: tf.data.Dataset.range(len(files)), order)


def _labels(files: Sequence[files_lib.File], manifest: DatasetManifest) -> tf.Tensor:
  index_of = {label: i for i, label in enumerate(manifest.labels)}
  return tf.constant([index_of[file.label] for file in files], tf.int64)


def _loaded(request: batch_request.BatchRequest) -> files_lib.RawFiles:
  if fold_view.is_fold(request.data_dir):
    found = fold_view.load(request.data_dir).raw
    assert found is not None  # Else it is read from shards.
    return found
  audio = request.manifest.audio
  if audio is None:
    raise errors.DatasetError(f'{request.data_dir!r} names audio, and the manifest is of pictures.')
  return files_lib.load(request.data_dir, sample_rate_hz=audio.sample_rate_hz, clip_s=audio.clip_s)


def _reader(
  files: Sequence[files_lib.File],
  manifest: DatasetManifest,
  request: batch_request.BatchRequest,
) -> Callable[[tf.Tensor], Mapping[str, tf.Tensor]]:
  """Returns the function from the numbers of clips, int64 [batch], to a batch."""
  paths = [file.path for file in files]
  ids = [file.clip_id for file in files]
  speakers = [file.speaker for file in files]
  codecs = [file.codec for file in files]
  ends_us = [round(1e6 * file.num_samples / file.sample_rate_hz) for file in files]
  labels = _labels(files, manifest)
  clip_samples = manifest.audio.clip_samples if manifest.audio else 0

  def decode(number: tf.Tensor) -> tf.Tensor:
    codec = tf.gather(codecs, number)
    return graph_decoders.clip(tf.gather(paths, number), codec, sorted(set(codecs)), clip_samples)

  def read(numbers: tf.Tensor) -> Mapping[str, tf.Tensor]:
    samples = tf.map_fn(
      decode,
      numbers,
      fn_output_signature=tf.TensorSpec([clip_samples], tf.float32),
      parallel_iterations=16,
    )
    batch = {
      computed_feature.WAVEFORM: tf.ensure_shape(samples, [numbers.shape[0], clip_samples]),
      record.LABEL: tf.gather(labels, numbers),
    }
    if request.with_ids:
      batch[record.ID], batch[record.SPEAKER] = (
        tf.gather(ids, numbers),
        tf.gather(speakers, numbers),
      )
    if request.with_origins:  # A file is a clip from its beginning on.
      nothing = tf.zeros_like(numbers)
      batch[record.FILE] = tf.gather(paths, numbers)
      batch[record.START_US], batch[record.END_US] = nothing, tf.gather(ends_us, numbers)
      batch[record.FIELDS] = tf.fill(tf.shape(numbers), '{}')
      batch[record.AUGMENTATION] = tf.fill(tf.shape(numbers), '')
    return batch

  return read
