"""What memory a model takes, found before there is a single weight of it.

The model is built where Keras makes no values, and one training step is traced: what the way back
reads of the way there has to be kept until then, and that is what a batch takes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from schemas import manifest, record
from trainer import models
from trainer.lazy import keras, tf
from trainer.models import anatomy, aside, freezing, front_end

# They give the same memory another name.
_ALIASES = {'ExpandDims', 'Identity', 'PreventGradient', 'Reshape', 'Squeeze', 'StopGradient'}
_FLOAT32_BYTES = 4

_Made = TypeVar('_Made')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Footprint:
  """What a model takes.

  Attributes:
    num_weights: Its numbers, all in float32.
    num_trained: Those that training moves.
    largest_trained: How many of these are in the largest array.
    largest_layer: The layer that holds the most of them.
    largest_weights: How many.
    copied_bytes: Copies of the weights in 16 bits, in which mixed precision computes.
    training_bytes: What a step keeps of each example until its gradient is there, and the two
      largest gradients on the way back.
    answering_bytes: The most that an answer takes of each example at a time.
  """

  num_weights: int
  num_trained: int
  largest_trained: int
  largest_layer: str
  largest_weights: int
  copied_bytes: int
  training_bytes: int
  answering_bytes: int

  @property
  def weights_bytes(self) -> int:
    """The weights."""
    return self.num_weights * _FLOAT32_BYTES + self.copied_bytes


def outline(
  name: str,
  settings: Any,
  dataset: manifest.DatasetManifest,
  feature_name: str,
  *,
  computed: record.FeatureSpec | None = None,
  precision: str = 'float32',
  num_rows: int = 1,
  freeze: str = freezing.NONE,
) -> Footprint:
  """Returns the footprint of a model that is still to be built.

  Nothing of it stays: not a name of a layer, not a random number that was drawn.

  Args:
    name: A key of models.MODELS.
    settings: Its settings.
    dataset: What models.build is going to get.
    feature_name: The model's input.
    computed: What the model computes of it; None for nothing.
    precision: The policy of its layers.
    num_rows: Of a clip, where each has a length of its own.
    freeze: What of it does not train, as freezing.apply takes it.

  Raises:
    DatasetError: if the data set cannot feed the model.
    ConfigError: if it has no such part to freeze.
  """

  def measure() -> Footprint:
    keras.config.set_dtype_policy(precision)
    feature = dataset.feature(feature_name)
    member = models.MODELS[name]
    with keras.StatelessScope(initialize_variables=False):
      network = weightless(name, settings, dataset, computed or feature)
      if computed is not None and dataset.audio is not None:
        statistics = manifest.FeatureStatistics(count=0, mean=(), variance=())
        front = front_end.Computed(spec=computed, statistics=statistics, audio=dataset.audio)
        network = front_end.in_front_of(network, feature, front)
    freezing.apply(network, freeze, is_pretrained=member.is_pretrained(settings))
    return of(network, num_rows=num_rows)

  return aside.apart(measure)


def weightless(
  name: str, settings: Any, dataset: manifest.DatasetManifest, feature: record.FeatureSpec
) -> keras.Model:
  """Returns the network of a model without its weights, in a StatelessScope inside aside.apart.

  Args:
    name: A key of models.MODELS.
    settings: Its settings.
    dataset: What it is to learn from.
    feature: What it takes of it, stored or computed.

  Raises:
    DatasetError: if the data set cannot feed the model.
  """
  member = models.MODELS[name]
  outlined = member.outlined(member.unfilled(models.fitted(name, settings, dataset, feature)))
  return models.network(name, outlined, feature, None, num_labels=dataset.num_labels)


def of(model: keras.Model, *, num_rows: int = 1) -> Footprint:
  """Returns the footprint of a model.

  Args:
    model: With weights or without.
    num_rows: Of a clip, where each has a length of its own.
  """
  trace = _Trace(model, num_rows)
  layer, largest = _largest_layer(model)
  kept = trace.kept()
  return Footprint(
    num_weights=_count(model.variables),
    num_trained=_count(model.trainable_variables),
    largest_trained=max((_count([one]) for one in model.trainable_variables), default=0),
    largest_layer=layer,
    largest_weights=largest,
    copied_bytes=trace.copied_bytes(),
    training_bytes=max(sum(kept) + sum(sorted(kept)[-2:]), trace.peak_bytes()),
    answering_bytes=trace.peak_bytes(),
  )


class _Trace:
  """A training step of a model on one example, as a graph that nobody runs."""

  def __init__(self, model: keras.Model, num_rows: int) -> None:
    # What a SavedModel gives may have no known size, and need not be rows: it is counted as 1, as
    # what fits must not be refused.
    is_black = any(isinstance(one, keras.layers.TFSMLayer) for one in anatomy.leaves(model))
    self._unknown = 1 if is_black else num_rows
    self._there: list[tf.Operation] = []
    self._back: list[tf.Operation] = []
    self._of_example: set[Any] = set()

    def step(inputs: list[tf.Tensor], trained: list[tf.Tensor], others: list[tf.Tensor]) -> Any:
      # The outer scope: at its end the inner one of stateless_call would make values.
      with keras.StatelessScope(initialize_variables=False), tf.GradientTape() as tape:
        tape.watch(trained)
        given = inputs if len(inputs) > 1 else inputs[0]
        logits, _ = model.stateless_call(trained, others, given, training=True)
        loss = tf.reduce_sum(logits)
      self._there = loss.graph.get_operations()
      self._of_example = {tensor.ref() for tensor in inputs}
      tape.gradient(loss, trained)
      self._back = loss.graph.get_operations()[len(self._there) :]
      return loss

    # It is kept, as the graph lives as long as it does.
    self._traced = tf.function(step, autograph=False).get_concrete_function(
      *aside.signature(model, num_rows=num_rows)
    )
    for operation in self._there:
      if any(tensor.ref() in self._of_example for tensor in operation.inputs):
        self._of_example |= {tensor.ref() for tensor in operation.outputs}

  def kept(self) -> list[int]:
    """Returns the bytes of each array that is kept from the way there to the way back."""
    there = set(self._there)
    read = {
      _original(tensor).ref()
      for operation in self._back
      for tensor in operation.inputs
      if tensor.op in there
    }
    return [self._bytes(ref.deref()) for ref in read & self._of_example]

  def peak_bytes(self) -> int:
    """Returns the most bytes of arrays that one operation takes and gives."""
    return max(
      sum(
        self._bytes(tensor)
        for tensor in (*operation.inputs, *operation.outputs)
        if tensor.ref() in self._of_example
      )
      for operation in self._there
      if operation.type not in _ALIASES
    )

  def copied_bytes(self) -> int:
    """Returns the bytes of weights that are cast."""
    return sum(
      self._bytes(operation.outputs[0])
      for operation in self._there
      if operation.type == 'Cast' and operation.outputs[0].ref() not in self._of_example
    )

  def _bytes(self, tensor: tf.Tensor) -> int:
    sizes = tensor.shape.as_list() if tensor.shape.rank is not None else [1]
    return math.prod(size or self._unknown for size in sizes) * max(1, tensor.dtype.size)


def _original(tensor: tf.Tensor) -> tf.Tensor:
  """Returns the array whose memory a tensor shares."""
  while tensor.op.type in _ALIASES:
    tensor = tensor.op.inputs[0]
  return tensor


def _count(variables: Sequence[keras.Variable]) -> int:
  return sum(math.prod(variable.shape) for variable in variables)


def _largest_layer(model: keras.Model) -> tuple[str, int]:
  counts = ((layer.name, _count(layer.variables)) for layer in anatomy.leaves(model))
  return max(counts, key=lambda found: found[1])
