"""The one judge: what a model says of the examples of a split, counted on any number of devices.

Validation and the report both ask it, so that a number means the same in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from trainer.data import input_pipeline
from trainer.devices import replicas
from trainer.judging import judged as judged_lib
from trainer.measures import counting

_SUM = tf.distribute.ReduceOp.SUM
# Up to so many labels validation counts which was taken for which; more fit no picture.
_CONFUSION_LABELS = 64


class Judge:
  """Puts a model before examples with labels."""

  def __init__(
    self, model: keras.Model, strategy: tf.distribute.Strategy, *, feature_name: str
  ) -> None:
    """Takes a model, what shares its examples among replicas, and what of a batch it takes."""
    self._model = model
    self._strategy = strategy
    self._feature_name = feature_name
    self._compiled_split = tf.function(self._split)
    self._confusion: counting.Confusion | None = None

  @property
  def confusion(self) -> counting.Confusion | None:
    """That of the latest call of `judge`; None before the first, and where it was not counted."""
    return self._confusion

  def judge(self, batches: Iterator[Any]) -> counting.Counts:
    """Returns the sums over all batches: each example once, however replicas share them.

    The confusion is counted where there are few enough labels for a picture.

    Args:
      batches: Iterator over what input_pipeline.evaluation_batches gave.
    """
    loss_sum, by_label, confusion = (x.numpy() for x in self._compiled_split(batches))
    self._confusion = confusion if confusion.size else None
    return counting.Counts(loss_sum=float(loss_sum), by_label=by_label, confusion=self._confusion)

  def _split(self, batches: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The graph of `judge`; returns the fields of counting.Counts."""
    labels = int(self._model.output_shape[-1])
    size = labels if labels <= _CONFUSION_LABELS else 0
    loss_sum = tf.zeros((), tf.float64)
    by_label, confusion = tf.zeros([3, labels], tf.int64), tf.zeros([size, size], tf.int64)
    for batch in batches:
      parts = self._strategy.run(self._sums, args=(batch,))
      totals = [self._strategy.reduce(_SUM, part, axis=None) for part in parts]
      loss_sum += tf.cast(totals[0], tf.float64)
      by_label += totals[1]
      confusion += totals[2]
    return loss_sum, by_label, confusion

  def _sums(self, batch: Mapping[str, tf.Tensor]) -> judged_lib.Judged:
    """Returns one replica's part of what _split adds up."""
    labels, examples = replicas.labels_apart(batch)
    inputs = input_pipeline.model_input(examples, self._feature_name)
    logits = self._model(inputs, training=False)[: tf.shape(labels)[0]]
    return of_logits(labels, logits)


def of_logits(labels: tf.Tensor, logits: tf.Tensor) -> judged_lib.Judged:
  """Returns what is to be added up of examples; the confusion where it fits a picture.

  Args:
    labels: int64 [examples].
    logits: float32 [examples, labels].
  """
  num_labels = logits.shape[-1]
  answers = tf.argmax(logits, axis=-1, output_type=labels.dtype)  # [examples]
  right = tf.boolean_mask(labels, tf.equal(labels, answers))
  by_label = tf.stack(
    [
      tf.math.bincount(tf.cast(some, tf.int32), minlength=num_labels, dtype=tf.int64)
      for some in (right, labels, answers)
    ]
  )
  if num_labels <= _CONFUSION_LABELS:
    confusion = tf.math.confusion_matrix(labels, answers, num_labels, dtype=tf.int64)
  else:
    confusion = tf.zeros([0, 0], tf.int64)
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
  return judged_lib.Judged(
    loss_sum=tf.reduce_sum(losses),
    by_label=by_label,
    confusion=confusion,
  )
