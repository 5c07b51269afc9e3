"""What is exported: the model in its parts, and what is said of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from exports import export_file
from trainer.export import waveform_model
from trainer.lazy import keras, tf
from trainer.models import anatomy
from trainer.runs import saved_run

_POLICIES_OF_16_BITS = {'mixed_float16', 'mixed_bfloat16', 'float16', 'bfloat16'}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
  """A run ready to be written in any format.

  Attributes:
    run: What was trained.
    heard: The run that takes clips: the same, or that of the trunk whose embeddings it takes.
    computed: What of its model computes a feature of what is stored, or None.
    network: What is behind that: it gives logits.
    export: What becomes export.json, with no formats yet.
    needs_lengths: Whether `num_samples` matters; see waveform_model.needs_lengths.
    calibration: What the network takes of some clips, for numbers of 8 bits; each an array for each
      of its inputs.
  """

  run: saved_run.SavedRun
  heard: saved_run.SavedRun
  computed: keras.Model | None
  network: keras.Model
  export: export_file.Export
  needs_lengths: bool
  calibration: Sequence[Sequence[NDArray[Any]]] = ()

  @functools.cached_property
  def front(self) -> keras.Model:
    """Samples and their number, or pixels, to what the network takes; see waveform_model.front."""
    return waveform_model.front(self.heard, self.computed)

  @functools.cached_property
  def model(self) -> keras.Model:
    """Samples and their number, or pixels, to logits."""
    return waveform_model.behind(self.front, self.network)

  @functools.cached_property
  def float32_network(self) -> keras.Model:
    """The network, computing in float32 where it was trained in 16 bits: the same weights.

    For runtimes whose operations have float32 alone. Embeddings are not rounded as they are stored
    then, which is less than 16 bits make of the rest.
    """
    policies = {layer.dtype_policy.name for layer in anatomy.leaves(self.network)}
    if not policies & _POLICIES_OF_16_BITS:
      return self.network
    config = _in_float32(self.network.get_config())
    network = type(self.network).from_config(config)
    network.set_weights(self.network.get_weights())
    return anatomy.for_any_device(network)

  def input_names(self, *, is_alone: bool) -> tuple[str, ...]:
    """Returns what a model of samples or pixels alone takes, where it is asked of one clip or many.

    Args:
      is_alone: Whether a batch is one clip, so that its length is that of the batch.
    """
    if self.export.audio is None:
      return (export_file.PICTURES,)
    if not self.needs_lengths or (is_alone and self.export.is_variable):
      return (export_file.SAMPLES,)
    return (export_file.SAMPLES, export_file.NUM_SAMPLES)

  def asked(
    self, *, batch: int | None, by_matrices: bool = False
  ) -> tuple[list[Any], Callable[..., Any]]:
    """Returns the front as a function of `input_names`, with what these are, in TensorFlow.

    Args:
      batch: How many clips; None: any.
      by_matrices: Whether Fourier transforms are products of matrices.
    """
    export, front = self.export, self.front
    if by_matrices:
      front = waveform_model.front(self.heard, self.computed, by_matrices=True)
    names = self.input_names(is_alone=batch == 1)
    if export.audio is None:
      spec = tf.TensorSpec([batch, *export.feature.shape], tf.uint8, export_file.PICTURES)
      return [spec], lambda pictures: front(pictures, training=False)
    wanted = export.audio.clip_samples
    specs = [tf.TensorSpec([batch, wanted or None], tf.float32, export_file.SAMPLES)]
    if export_file.NUM_SAMPLES in names:
      specs.append(tf.TensorSpec([batch], tf.int32, export_file.NUM_SAMPLES))

    def call(samples: Any, num_samples: Any = None) -> Any:
      shape = tf.shape(samples)
      if num_samples is None:
        num_samples = tf.fill(shape[:1], shape[1])
      if not wanted:
        samples = tf.pad(samples, [[0, 0], [0, tf.maximum(export.min_samples - shape[1], 0)]])
      return front([samples, num_samples], training=False)

    return specs, call


def _in_float32(config: Any) -> Any:
  """Returns the configuration of a model with float32 in place of every type of 16 bits."""
  if isinstance(config, Mapping):
    return {name: _in_float32(value) for name, value in config.items()}
  if isinstance(config, (list, tuple)):
    return type(config)(_in_float32(value) for value in config)
  is_type = isinstance(config, str) and config in _POLICIES_OF_16_BITS
  return 'float32' if is_type else config
