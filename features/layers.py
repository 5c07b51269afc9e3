"""The TensorFlow faces: Keras layers [batch, num_samples] -> [batch, *shape].

Where each clip has a length of its own, num_samples is any number, known or not when a graph is
built; a batch shorter than one window is padded with zeros, as features.extractor does it.

Tables come from the same NumPy functions as the kernels'. The layers compute in float32 whatever
the precision policy: float16 has 11 bits, and the power of a full-scale tone overflows it. They
hold no weights; settings and rate are plain numbers in their config, so a saved model with one
inside loads wherever this module has been imported.

On GPUs from Ampere on TensorFlow multiplies matrices with 11 bits of each factor (TensorFloat-32)
unless tf.config.experimental.enable_tensor_float_32_execution(False) is called. Mel energies may
then be off by 5e-4 of themselves, a log mel by 5e-4: less than a step of float16 from 0.5 on.

This module imports TensorFlow, and the trainer alone imports it. The kinds know nothing of it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import scipy.fft
import tensorflow as tf
from numpy.typing import NDArray

from features import chroma, fft, log_mel, mel, mfcc, stft, waveform
from features.spectra import frames as frames_lib
from features.spectra import norms
from schemas import audio as audio_schema

_TINY = np.finfo(np.float32).tiny


class _Samples(keras.layers.Layer):  # type: ignore[misc]  # Keras has no annotations.
  """A layer that takes samples in [-1, 1] and computes in float32."""

  settings_class: type

  def __init__(
    self, *, settings: Mapping[str, Any], audio: Mapping[str, Any], **kwargs: Any
  ) -> None:
    super().__init__(**{**kwargs, 'dtype': 'float32', 'trainable': False})
    self._settings = dict(settings)
    self._audio = dict(audio)
    self._spec = audio_schema.AudioSpec(**audio)
    self._parsed: Any = self.settings_class(**settings)

  def get_config(self) -> dict[str, Any]:
    """Plain numbers and strings, from which the same layer can be made."""
    return {**super().get_config(), 'settings': self._settings, 'audio': self._audio}


class Waveform(_Samples):
  """The samples themselves, as float32."""

  settings_class = waveform.Waveform

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> the same."""
    return tf.cast(samples, tf.float32)

  def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The same shape."""
    return tuple(input_shape)


class _Spectral(_Samples):
  """A layer on the power spectrum of frames."""

  def __init__(self, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self._frames = self._parsed.frames(self._spec)
    self._window = frames_lib.hann_window(self._frames.window_samples)

  def _power(self, samples: Any) -> Any:
    """[batch, num_samples] -> |X|^2 [batch, num_frames, num_bins]."""
    frames = tf.signal.frame(
      self._long_enough(tf.cast(samples, tf.float32)),
      self._frames.window_samples,
      self._frames.hop_samples,
    )  # [batch, num_frames, window_samples]
    spectrum = tf.signal.rfft(frames * self._window, [self._frames.transform_samples])
    return tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))

  def _long_enough(self, samples: Any) -> Any:
    """With zeros behind clips shorter than one window, where each has a length of its own."""
    if not self._spec.is_variable:
      return samples
    missing = tf.maximum(0, self._frames.window_samples - tf.shape(samples)[1])
    return tf.pad(samples, [[0, 0], [0, missing]])

  @property
  def _num_columns(self) -> int:
    return int(self._frames.num_bins)

  def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """[batch, num_samples] -> [batch, num_frames, columns]."""
    batch, num_samples = input_shape
    if num_samples is None:
      return batch, None, self._num_columns
    if self._spec.is_variable:
      num_samples = max(num_samples, self._frames.window_samples)
    num_frames = self._frames.num_frames(num_samples)
    return batch, num_frames, self._num_columns


class Stft(_Spectral):
  """ln(|X| + floor); see features/stft.py."""

  settings_class = stft.Stft

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, num_frames, num_bins]."""
    # The slope of a square root is infinite at 0, and silence would make gradients NaN.
    power = tf.maximum(self._power(samples), _TINY)
    return tf.math.log(tf.sqrt(power) + np.float32(self._parsed.floor))


class _Filtered(_Spectral):
  """Energies of bands, by the same filterbank as the kernel's."""

  def __init__(self, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self._filters = self._parsed.filterbank(self._spec)

  @property
  def _num_columns(self) -> int:
    return int(self._filters.shape[1])

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, num_frames, bands]."""
    return tf.matmul(self._power(samples), self._filters)


class Mel(_Filtered):
  """Energies in mel bands; see features/mel.py."""

  settings_class: type = mel.Mel


class LogMel(Mel):
  """ln(energy + floor); see features/log_mel.py."""

  settings_class = log_mel.LogMel

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, num_frames, num_mels]."""
    return tf.math.log(super().call(samples) + np.float32(self._parsed.floor))


class Mfcc(LogMel):
  """Orthonormal DCT-II of log mel energies; see features/mfcc.py."""

  settings_class = mfcc.Mfcc

  def __init__(self, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    # Cosines as a matrix: the transform of each unit vector. [num_mels, num_coefficients]
    cosines = scipy.fft.dct(np.eye(self._parsed.num_mels), type=2, norm='ortho', axis=1)
    kept = cosines[:, : self._parsed.num_coefficients] * self._parsed.lifting()
    self._cosines = kept.astype(np.float32)

  @property
  def _num_columns(self) -> int:
    return int(self._parsed.num_columns)

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, num_frames, num_columns]."""
    coefficients = tf.matmul(super().call(samples), self._cosines)
    deltas = [_weighted(coefficients, weights) for weights in self._parsed.delta_weights()]
    return tf.concat([coefficients, *deltas], axis=-1)


def _weighted(values: Any, weights: NDArray[np.float32]) -> Any:
  """Weighted sum of the frames around each: [batch, num_frames, columns] of both."""
  num_frames = tf.shape(values)[1] if values.shape[1] is None else values.shape[1]
  reach = len(weights) // 2
  before = tf.repeat(values[:, :1], reach, axis=1)
  behind = tf.repeat(values[:, -1:], reach, axis=1)
  padded = tf.concat([before, values, behind], axis=1)
  return tf.add_n(
    [weight * padded[:, place : place + num_frames] for place, weight in enumerate(weights)]
  )


class Fft(_Samples):
  """Spectrum of a whole clip; see features/fft.py."""

  settings_class = fft.Fft

  def __init__(self, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self._fft_samples = self._parsed.transform_samples(self._spec)
    self._edges = self._parsed.band_edges(self._spec)

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, 1, bins]."""
    # Cut here: tf.signal.rfft could, but its gradient is then of the wrong length.
    kept = tf.cast(samples, tf.float32)[:, : self._fft_samples]
    spectrum = tf.signal.rfft(kept, [self._fft_samples])
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    # As in Stft.
    magnitude = tf.sqrt(tf.maximum(self._pooled(power[:, : self._edges[-1]]), _TINY))
    if self._parsed.scale == fft.LOG:
      magnitude = tf.math.log(magnitude + np.float32(self._parsed.floor))
    return magnitude[:, tf.newaxis]

  def _pooled(self, power: Any) -> Any:
    """Mean of each band: [batch, bins] -> [batch, bands]."""
    widths = np.diff(self._edges)
    if (widths == 1).all():
      return power
    bands = np.repeat(np.arange(len(widths)), widths)
    sums = tf.math.unsorted_segment_sum(tf.transpose(power), bands, len(widths))
    return tf.transpose(sums) / widths.astype(np.float32)

  def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """[batch, num_samples] -> [batch, 1, bins]."""
    return input_shape[0], 1, len(self._edges) - 1


class Chroma(_Filtered):
  """Classes of pitch; see features/chroma.py."""

  settings_class = chroma.Chroma

  def call(self, samples: Any) -> Any:
    """[batch, num_samples] -> [batch, num_frames, num_chroma]."""
    return _normed(super().call(samples), self._parsed.norm)


def _normed(values: Any, norm: str) -> Any:
  """Divides each frame of `values` [batch, num_frames, num_chroma], as norms.normalise does."""
  if norm == 'none':
    return values
  tiny = np.float32(norms.TINY)
  values /= tf.maximum(tf.reduce_max(values, axis=-1, keepdims=True), tiny)
  if norm == 'inf':
    return values
  if norm == 'l1':
    return values / tf.maximum(tf.reduce_sum(values, axis=-1, keepdims=True), tiny)
  # The least under the root: its slope is infinite at 0, and silence would make gradients NaN.
  squares = tf.reduce_sum(tf.square(values), axis=-1, keepdims=True)
  return values / tf.sqrt(tf.maximum(squares, tiny))


# Of each kind of features.FEATURES that has one.
LAYERS: Mapping[str, type[_Samples]] = {
  'waveform': Waveform,
  'fft': Fft,
  'stft': Stft,
  'mel': Mel,
  'log_mel': LogMel,
  'mfcc': Mfcc,
  'chroma': Chroma,
}
# So that keras.models.load_model finds them by name.
for _layer in LAYERS.values():
  keras.saving.register_keras_serializable(package='voxshard')(_layer)


def make(name: str, settings: Any, spec: audio_schema.AudioSpec) -> keras.layers.Layer:
  """Returns the layer with the result of a kind's kernel: a key of LAYERS with its settings."""
  return LAYERS[name](settings=dataclasses.asdict(settings), audio=spec.to_json())
