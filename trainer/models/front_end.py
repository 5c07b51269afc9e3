"""Features computed inside the model: it takes samples, and the network behind takes the feature.

The feature is the Keras twin of what the data job stores (features/keras_twins.py), in float32
under every precision policy, in front of the normalisation. So a saved model takes audio by itself,
and opens with Keras alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import features
from features.spectra import frames as frames_lib
from schemas import audio as audio_lib
from schemas import errors, manifest, record
from trainer.lazy import keras

_NAME = 'front_end'  # Of the layer that computes.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Computed:
  """A feature that the model computes.

  Attributes:
    spec: What comes of it, as if it were stored.
    statistics: Its mean and variance over the train split.
    audio: The form of the clips.
  """

  spec: record.FeatureSpec
  statistics: manifest.FeatureStatistics
  audio: audio_lib.AudioSpec


def twin(spec: record.FeatureSpec, audio: audio_lib.AudioSpec) -> Callable[[Any], Any]:
  """Returns Keras operations [batch, samples] -> [batch, *spec.shape]."""
  from features import keras_twins

  if spec.name not in keras_twins.TWINS:
    raise errors.FeatureError(f'No model computes {spec.name!r}.')
  return keras_twins.make(spec.name, features.settings_of(spec), audio)


def num_rows(num_samples: Any, spec: record.FeatureSpec, audio: audio_lib.AudioSpec) -> Any:
  """Returns the rows of the feature for clips of so many samples; int32 [batch] of both."""
  settings = features.settings_of(spec)
  if not isinstance(settings, frames_lib.FrameSettings):
    raise errors.FeatureError(f'{spec.name!r} has no frames that follow the length of a clip.')
  frames = settings.frames(audio)
  # The twin fills shorter clips up to one window.
  behind_first = keras.ops.maximum(num_samples - frames.window_samples, 0)
  return 1 + behind_first // frames.hop_samples


def in_front_of(network: keras.Model, read: record.FeatureSpec, computed: Computed) -> keras.Model:
  """Returns a model that takes what is read, computes the feature and gives it to `network`."""
  from trainer.models import inputs

  sources = inputs.new_inputs(read)
  outputs = [twin(computed.spec, computed.audio)(sources[0])]
  if read.is_variable:
    outputs.append(num_rows(sources[1], computed.spec, computed.audio))
  front = keras.Model(_one_or_all(sources), _one_or_all(outputs), name=_NAME)
  samples = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in sources]
  logits = network(front(_one_or_all(samples)))
  return keras.Model(_one_or_all(samples), logits, name=network.name)


def parts(model: keras.Model) -> tuple[keras.Model | None, keras.Model]:
  """Returns what computes the feature and what takes it; (None, model) where it is not computed."""
  front = next((part for part in model.layers if part.name == _NAME), None)
  return (None, model) if front is None else (front, model.layers[-1])


def _one_or_all(tensors: list[Any]) -> Any:
  return tensors if len(tensors) > 1 else tensors[0]
