"""A TensorFlow SavedModel, which loads with TensorFlow alone, also into TensorFlow Serving.

Signatures, each by names (see exports/export_file.py):
  serving_default: `samples` float32 [batch, samples], all of one length, in [-1, 1] at the rate of
    the run; or `pictures` uint8 [batch, height, width, channels].
  clips: `samples`, and `num_samples` int32 [batch]: how many of each are the clip; audio only.
  labels: nothing in; `labels` string [labels].
The first two give `probabilities` and `logits` float32 [batch, labels], `label` string [batch] and
`none_of_these` bool [batch].
"""

from __future__ import annotations

import errno
import os
import tempfile
from typing import Any

from exports import export_file
from trainer.confidence import none_scores
from trainer.export import made as made_lib
from trainer.lazy import tf


def write(made: made_lib.Made, folder: str) -> str:
  """Writes the SavedModel into a folder; returns its name in it."""
  path = os.path.join(folder, export_file.SAVED_MODEL)
  with tempfile.TemporaryDirectory() as assets:
    module, signatures = served(made, labels_file=_labels_file(made, assets))
    try:
      tf.saved_model.save(module, path, signatures=signatures)
    except tf.errors.OpError as error:  # TensorFlow's own for a disk that is full, and the like.
      raise OSError(errno.EIO, str(error.message).rpartition('; ')[2], path) from error
  return export_file.SAVED_MODEL


def answers(logits: Any, export: export_file.Export) -> dict[str, Any]:
  """Returns what is said of logits [batch, labels], tensors by their names."""
  labels = tf.constant(export_file.label_bytes(export.labels))
  probabilities = tf.nn.softmax(logits / export.temperature)
  label = tf.gather(labels, tf.argmax(logits, axis=-1))
  if export.none_score == none_scores.SOFTMAX:
    score = tf.reduce_max(tf.nn.softmax(logits), axis=-1)
  else:
    score = tf.reduce_logsumexp(logits, axis=-1)
  is_none = score < export.none_threshold if export.none_score else tf.zeros_like(score, tf.bool)
  return {
    export_file.PROBABILITIES: probabilities,
    export_file.LOGITS: logits,
    export_file.LABEL: tf.where(is_none, export_file.NONE, label),
    export_file.IS_NONE: is_none,
  }


def served(made: made_lib.Made, *, labels_file: str) -> tuple[tf.Module, dict[str, Any]]:
  """Returns a module that holds the model, and its signatures."""
  module = tf.Module()
  module.model = made.model
  module.labels_file = tf.saved_model.Asset(labels_file)
  module.label_names = tf.function(
    lambda: {export_file.LABEL_NAMES: tf.constant(export_file.label_bytes(made.export.labels))},
    input_signature=[],
  )
  if made.export.audio is None:
    module.of_pictures = _of_pictures(made)
    serving = {export_file.SERVING: module.of_pictures}
  else:
    module.of_samples, module.of_clips = _of_audio(made)
    serving = {export_file.SERVING: module.of_samples, export_file.CLIPS: module.of_clips}
  return module, {**serving, export_file.LABEL_NAMES: module.label_names}


def _of_pictures(made: made_lib.Made) -> Any:
  spec = tf.TensorSpec([None, *made.export.feature.shape], tf.uint8, export_file.PICTURES)

  @tf.function(input_signature=[spec])
  def of_pictures(pictures: Any) -> dict[str, Any]:
    return answers(made.model(pictures, training=False), made.export)

  return of_pictures


def _of_audio(made: made_lib.Made) -> tuple[Any, Any]:
  export = made.export
  assert export.audio
  wanted, most = export.audio.clip_samples, export.most_samples
  samples_spec = tf.TensorSpec([None, None], tf.float32, export_file.SAMPLES)
  lengths_spec = tf.TensorSpec([None], tf.int32, export_file.NUM_SAMPLES)

  def heard(samples: Any, num_samples: Any) -> dict[str, Any]:
    size = tf.shape(samples)[1]
    if most:
      text = f'The model takes clips of up to {most} samples, got more. Cut them.'
      with tf.control_dependencies([tf.debugging.Assert(size <= most, [text, size])]):
        size = tf.identity(size)
    least = wanted or export.min_samples
    padded = tf.pad(samples, [[0, 0], [0, tf.maximum(least - size, 0)]])
    if wanted:
      padded = tf.ensure_shape(padded, [None, wanted])
    return answers(made.model([padded, num_samples], training=False), export)

  @tf.function(input_signature=[samples_spec])
  def of_samples(samples: Any) -> dict[str, Any]:
    return heard(samples, tf.fill(tf.shape(samples)[:1], tf.shape(samples)[1]))

  @tf.function(input_signature=[samples_spec, lengths_spec])
  def of_clips(samples: Any, num_samples: Any) -> dict[str, Any]:
    return heard(samples, num_samples)

  return of_samples, of_clips


def _labels_file(made: made_lib.Made, folder: str) -> str:
  """Writes the labels, one a line in their order, and returns the path."""
  path = os.path.join(folder, export_file.LABELS)
  with open(path, 'w', encoding='utf-8', errors='surrogateescape', newline='\n') as stream:
    stream.write(export_file.labels_text(made.export.labels))
  return path
