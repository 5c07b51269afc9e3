"""Layers inside of models that were trained with --compute by an older version: to open those.

Models of now hold Keras operations in their place (features/keras_twins.py), and open without us.
"""

from collections.abc import Mapping
from typing import Any

import keras

import features
from features import keras_twins
from schemas import audio as audio_schema


class _Computing(keras.layers.Layer):  # type: ignore[misc]  # Keras has no annotations.
  """A layer that takes samples in [-1, 1] and computes in float32."""

  kind = ''

  def __init__(
    self, *, settings: Mapping[str, Any], audio: Mapping[str, Any], **kwargs: Any
  ) -> None:
    super().__init__(**{**kwargs, 'dtype': 'float32', 'trainable': False})
    self._config = {'settings': dict(settings), 'audio': dict(audio)}
    spec = audio_schema.AudioSpec(**audio)
    self._twin = keras_twins.make(self.kind, features.SETTINGS[self.kind](**settings), spec)

  def get_config(self) -> dict[str, Any]:
    """Plain numbers and strings, from which the same layer can be made."""
    return {**super().get_config(), **self._config}

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, *shape]."""
    return self._twin(samples)


_CLASSES = ('Waveform', 'Fft', 'Stft', 'Mel', 'LogMel', 'Mfcc', 'Chroma')
# So that keras.models.load_model finds them by the names in the files.
for _name, _kind in zip(_CLASSES, keras_twins.TWINS, strict=True):
  keras.saving.register_keras_serializable(package='voxshard', name=_name)(
    type(_name, (_Computing,), {'kind': _kind})
  )
