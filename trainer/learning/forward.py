"""A model's logits in training, with what is done to its samples and to its features on the way."""

from __future__ import annotations

from typing import Any

from trainer.augment import augmentation, chain
from trainer.lazy import keras, tf
from trainer.models import front_end


class Forward:
  """Samples -> augmented -> features -> augmented -> logits, on the device that has the batch."""

  def __init__(self, steps: chain.Chain, model: keras.Model, context: augmentation.Context) -> None:
    """Takes what is done to a model's inputs.

    Args:
      steps: What is done.
      model: Computes features by itself, or takes them.
      context: What of the data set this may need to know.
    """
    self._steps = steps
    self._front, self._network = front_end.parts(model)
    self._context = context

  def __call__(self, inputs: Any, draws: tf.Tensor) -> tf.Tensor:
    """Returns logits, float32 [batch, num_labels].

    Args:
      inputs: What the model takes: values, or values and the rows of each.
      draws: What Chain.prepare drew for each example.
    """
    features = inputs
    if self._context.reads_samples:
      features = self._steps.on_samples(features, draws, self._context)
    if self._front is not None:
      features = self._front(features, training=True)
    features = self._steps.on_features(features, draws, self._context)
    return self._network(features, training=True)
