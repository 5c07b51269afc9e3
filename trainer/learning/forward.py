"""A model's logits in training: what is done to its samples and features, and what it is taught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.augment import augmentation, chain
from trainer.lazy import keras, tf
from trainer.learning import teacher as teacher_lib
from trainer.models import front_end


class Forward:
  """Samples -> augmented -> features -> augmented -> logits, on the device that has the batch."""

  def __init__(
    self,
    steps: chain.Chain,
    model: keras.Model,
    context: augmentation.Context,
    teacher: teacher_lib.Teacher | None = None,
  ) -> None:
    """Takes what is done to a model's inputs.

    Args:
      steps: What is done.
      model: Computes features by itself, or takes them.
      context: What of the data set this may need to know.
      teacher: Says what it thinks of the same examples, if there is one.
    """
    self._teacher = teacher
    self._steps = steps
    self._front, self._network = front_end.parts(model)
    self._context = context

  def __call__(
    self, inputs: Any, batch: Mapping[str, tf.Tensor]
  ) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns the model's logits, float32 [batch, num_labels], and the teacher's if there is one.

    Args:
      inputs: What the model takes: values, or values and the rows of each.
      batch: What Chain.prepare made of the examples; of it nothing is taken where nothing is done.
    """
    given = inputs
    if self._context.reads_samples:
      given = self._steps.on_samples(given, batch, self._context)
    features = given
    if self._front is not None:
      features = self._front(features, training=True)
    features = self._steps.on_features(features, batch, self._context)
    logits = self._network(features, training=True)
    return logits, self._teacher.logits(given, features) if self._teacher else None
