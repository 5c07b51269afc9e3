"""The faces inside a model: Keras operations [batch, num_samples] -> [batch, *shape].

A function of Keras operations is no class of ours: a model that is saved with one inside opens with
Keras alone, and an export needs none of our packages.

Where each clip has a length of its own, num_samples is any number, known or not when a graph is
built; a batch shorter than one window is padded with zeros, as features.extractor does it.

Tables come from the same NumPy functions as the kernels', and are constants of the operations. All
is computed in float32 whatever the precision policy, which casts for layers alone: float16 has 11
bits, and the power of a full-scale tone overflows it.

On GPUs from Ampere on TensorFlow multiplies matrices with 11 bits of each factor (TensorFloat-32)
unless tf.config.experimental.enable_tensor_float_32_execution(False) is called. Mel energies may
then be off by 5e-4 of themselves, a log mel by 5e-4: less than a step of float16 from 0.5 on.

This module imports Keras, and with it TensorFlow. The kinds know nothing of it.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import scipy.fft
from keras import ops
from numpy.typing import NDArray

from features import chroma, fft, mfcc, stft, stored_form, waveform
from features.spectra import frames as frames_lib
from features.spectra import norms
from schemas import audio as audio_schema
from schemas import errors

_TINY = float(np.finfo(np.float32).tiny)

# Samples [batch, num_samples] in [-1, 1] in, the feature of each clip out: tensors, or Keras's own
# of a model that is being built.
Twin = Callable[[Any], Any]
# Values [..., samples] and a length at which they are cut or filled up with zeros; the real and the
# imaginary part of their Fourier transform out, [..., length // 2 + 1].
Spectrum = Callable[[Any, int], tuple[Any, Any]]

# The longest part of a transform that is a matrix: 2 * 2048^2 numbers are 34 MB.
_MOST_IN_A_MATRIX = 2_048


def fast(values: Any, length: int) -> tuple[Any, Any]:
  """The transform as an operation of its own."""
  found: tuple[Any, Any] = ops.rfft(values, fft_length=length)
  return found


def by_matrices(values: Any, length: int) -> tuple[Any, Any]:
  """The same as products of matrices, for runtimes that have no such operation.

  A transform of n1 * n2 values is n2 of n1 values, each result turned by its angle, and n1 of n2
  values (Cooley and Tukey, An algorithm for the machine calculation of complex Fourier series,
  1965); each of the smaller ones is a matrix.

  Args:
    values: [batch, samples] or [batch, frames, samples].
    length: Of the transform.

  Raises:
    FeatureError: if it has no factors that are small enough.
  """
  first = max(n for n in range(1, math.isqrt(length) + 1) if length % n == 0)
  second = length // first
  if second > _MOST_IN_A_MATRIX:
    raise errors.FeatureError(
      f'A Fourier transform of {length:,} samples has no factors of up to {_MOST_IN_A_MATRIX:,}, '
      'which it needs to be a product of matrices. Take another length, such as the next power of '
      'two.'
    )
  behind = [*[(0, 0)] * (len(values.shape) - 1), (0, length)]  # Cut again where they are too many.
  values = ops.pad(values, behind)[..., :length]
  rows = (-1,) if len(values.shape) > 2 else ()
  # [..., second, first]: sample second * i + j stands at [j, i].
  x = keras.layers.Reshape((*rows, first, second))(values)
  x = ops.swapaxes(x, -1, -2)
  c, s = _turns(first, first, first)
  real, imaginary = ops.matmul(x, c), ops.negative(ops.matmul(x, s))
  c, s = _turns(second, first, length)
  real, imaginary = (
    ops.add(ops.multiply(real, c), ops.multiply(imaginary, s)),
    ops.subtract(ops.multiply(imaginary, c), ops.multiply(real, s)),
  )
  c, s = _turns(second, second, second)
  both = (
    ops.add(ops.matmul(c, real), ops.matmul(s, imaginary)),
    ops.subtract(ops.matmul(c, imaginary), ops.matmul(s, real)),
  )
  flat = [keras.layers.Reshape((*rows, length))(one) for one in both]
  return flat[0][..., : length // 2 + 1], flat[1][..., : length // 2 + 1]


def _turns(rows: int, columns: int, length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
  """Cosine and sine of 2 pi row column / length, float32 [rows, columns]."""
  products = np.outer(np.arange(rows), np.arange(columns)) % length
  angles = 2 * np.pi / length * products
  return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _waveform(
  settings: waveform.Waveform, spec: audio_schema.AudioSpec, spectrum: Spectrum
) -> Twin:
  """The samples themselves, as float32."""
  del settings, spec, spectrum
  return functools.partial(ops.cast, dtype='float32')


def _power(
  settings: frames_lib.FrameSettings, spec: audio_schema.AudioSpec, spectrum: Spectrum
) -> Twin:
  """|X|^2 of frames: [batch, num_samples] -> [batch, num_frames, num_bins]."""
  frames = settings.frames(spec)
  window = frames_lib.hann_window(frames.window_samples)

  def compute(samples: Any) -> Any:
    cut = _frames(ops.cast(samples, 'float32'), frames, is_variable=spec.is_variable)
    real, imaginary = spectrum(ops.multiply(cut, window), frames.transform_samples)
    return ops.add(ops.square(real), ops.square(imaginary))

  return compute


def _frames(samples: Any, frames: audio_schema.FrameSpec, *, is_variable: bool) -> Any:
  """Whole windows: [batch, num_samples] -> [batch, num_frames, window_samples].

  Where clips have lengths of their own one at least, with zeros behind a clip that is shorter. What
  is cut off is a constant, as Keras knows no length while it builds a model.
  """
  window, hop = frames.window_samples, frames.hop_samples
  if not is_variable:
    return ops.extract_sequences(samples, window, hop)
  behind = -(-window // hop)  # Hops of silence: they add as many frames to a clip of one or more.
  padded = ops.pad(samples, [[0, 0], [0, behind * hop]])
  first = ops.expand_dims(padded[:, :window], 1)
  others = ops.extract_sequences(padded, window, hop)[:, 1:-behind]
  return ops.concatenate([first, others], axis=1)


def _stft(settings: stft.Stft, spec: audio_schema.AudioSpec, spectrum: Spectrum) -> Twin:
  """ln(|X| + floor), [batch, num_frames, num_bins]; see features/stft.py."""
  power = _power(settings, spec, spectrum)

  def compute(samples: Any) -> Any:
    # The slope of a square root is infinite at 0, and silence would make gradients NaN.
    magnitude = ops.sqrt(ops.maximum(power(samples), _TINY))
    return ops.log(ops.add(magnitude, settings.floor))

  return compute


def _filtered(settings: Any, spec: audio_schema.AudioSpec, spectrum: Spectrum) -> Twin:
  """Energies of bands by the kernel's filterbank, [batch, num_frames, bands]."""
  power, filters = _power(settings, spec, spectrum), settings.filterbank(spec)
  return lambda samples: ops.matmul(power(samples), filters)


def _log_mel(settings: Any, spec: audio_schema.AudioSpec, spectrum: Spectrum) -> Twin:
  """ln(energy + floor), [batch, num_frames, num_mels]; see features/log_mel.py."""
  energies = _filtered(settings, spec, spectrum)
  return lambda samples: ops.log(ops.add(energies(samples), settings.floor))


def _mfcc(settings: mfcc.Mfcc, spec: audio_schema.AudioSpec, spectrum: Spectrum) -> Twin:
  """Orthonormal DCT-II of log mel energies, [batch, num_frames, num_columns]; features/mfcc.py."""
  log_mels = _log_mel(settings, spec, spectrum)
  # Cosines as a matrix: the transform of each unit vector. [num_mels, num_coefficients]
  cosines = scipy.fft.dct(np.eye(settings.num_mels), type=2, norm='ortho', axis=1)
  kept = cosines[:, : settings.num_coefficients] * settings.lifting()
  matrix = kept.astype(np.float32)

  def compute(samples: Any) -> Any:
    coefficients = ops.matmul(log_mels(samples), matrix)
    deltas = [_weighted(coefficients, weights) for weights in settings.delta_weights()]
    return ops.concatenate([coefficients, *deltas], axis=-1) if deltas else coefficients

  return compute


def _weighted(values: Any, weights: NDArray[np.float32]) -> Any:
  """Weighted sum of the frames around each: [batch, num_frames, columns] of both."""
  reach = len(weights) // 2
  before, behind = ops.repeat(values[:, :1], reach, axis=1), ops.repeat(values[:, -1:], reach, 1)
  padded = ops.concatenate([before, values, behind], axis=1)
  total = 0.0
  for place, weight in enumerate(weights):
    last = place - 2 * reach
    total = ops.add(total, ops.multiply(padded[:, place : last or None], float(weight)))
  return total


def _fft(settings: fft.Fft, spec: audio_schema.AudioSpec, spectrum: Spectrum) -> Twin:
  """Spectrum of a whole clip, [batch, 1, bins]; see features/fft.py."""
  fft_samples, edges = settings.transform_samples(spec), settings.band_edges(spec)
  widths = np.diff(edges)
  bands = np.repeat(np.arange(len(widths)), widths).astype(np.int32)

  def pooled(power: Any) -> Any:
    if (widths == 1).all():
      return power
    sums = ops.segment_sum(ops.transpose(power), bands, num_segments=len(widths))
    return ops.divide(ops.transpose(sums), widths.astype(np.float32))

  def compute(samples: Any) -> Any:
    # Cut here: rfft could, but its gradient is then of the wrong length.
    kept = ops.cast(samples, 'float32')[:, :fft_samples]
    real, imaginary = spectrum(kept, fft_samples)
    power = ops.add(ops.square(real), ops.square(imaginary))
    # As in _stft.
    magnitude = ops.sqrt(ops.maximum(pooled(power[:, : int(edges[-1])]), _TINY))
    if settings.scale == fft.LOG:
      magnitude = ops.log(ops.add(magnitude, settings.floor))
    return ops.expand_dims(magnitude, 1)

  return compute


def _chroma(settings: chroma.Chroma, spec: audio_schema.AudioSpec, spectrum: Spectrum) -> Twin:
  """Classes of pitch, [batch, num_frames, num_chroma]; see features/chroma.py."""
  energies = _filtered(settings, spec, spectrum)
  return lambda samples: _normed(energies(samples), settings.norm)


def _normed(values: Any, norm: str) -> Any:
  """Divides each frame of `values` [batch, num_frames, num_chroma], as norms.normalise does."""
  if norm == 'none':
    return values
  tiny = float(norms.TINY)
  values = ops.divide(values, ops.maximum(ops.max(values, axis=-1, keepdims=True), tiny))
  if norm == 'inf':
    return values
  if norm == 'l1':
    return ops.divide(values, ops.maximum(ops.sum(values, axis=-1, keepdims=True), tiny))
  # The least under the root: its slope is infinite at 0, and silence would make gradients NaN.
  squares = ops.sum(ops.square(values), axis=-1, keepdims=True)
  return ops.divide(values, ops.sqrt(ops.maximum(squares, tiny)))


# Of each kind of features.FEATURES that has one.
TWINS: Mapping[str, Callable[[Any, audio_schema.AudioSpec, Spectrum], Twin]] = {
  'waveform': _waveform,
  'fft': _fft,
  'stft': _stft,
  'mel': _filtered,
  'log_mel': _log_mel,
  'mfcc': _mfcc,
  'chroma': _chroma,
}


def make(name: str, settings: Any, spec: audio_schema.AudioSpec, spectrum: Spectrum = fast) -> Twin:
  """Returns the function with the result of a kind's kernel.

  Args:
    name: A key of TWINS.
    settings: Of the kind.
    spec: The form of the clips.
    spectrum: How Fourier transforms are computed: `fast` or `by_matrices`.
  """
  return TWINS[name](settings, spec, spectrum)


def rounded(values: Any, dtype: str) -> Any:
  """Returns float32 values as stored_form.from_stored gives them after stored_form.to_stored."""
  if dtype == 'int16':
    scaled = ops.round(ops.multiply(values, stored_form.INT16_SCALE))
    return ops.multiply(ops.clip(scaled, -32768.0, 32767.0), 1 / stored_form.INT16_SCALE)
  if dtype == 'float16':
    limit = stored_form.FLOAT16_MAX
    return ops.cast(ops.cast(ops.clip(values, -limit, limit), 'float16'), 'float32')
  return values
