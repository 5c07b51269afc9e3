"""Effects inside a model: Keras operations on clips of different lengths in one batch.

As features/keras_twins.py for features. A filter that goes on from sample to sample (`high_pass`,
`low_pass`) is a product of spectra here, for clips of one length: what runs the model would compute
it one sample after the other.

This module imports Keras, and with it TensorFlow.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import scipy.fft
from keras import ops

from features import effects
from features.effects import butterworth, level, pre_emphasis
from features.portable import elementary
from schemas import audio as audio_schema

# Samples [batch, num_samples] with zeros behind each clip, its number of samples int32 [batch], and
# 1 where a sample is the clip's, else 0, as float32; the samples out, what is behind is anything.
Twin = Callable[[Any, Any, Any], Any]


def _peak(settings: level.Peak, spec: audio_schema.AudioSpec) -> Twin:
  del spec
  factor = float(elementary.power(10, settings.level_db / 20))

  def apply(samples: Any, num_samples: Any, is_real: Any) -> Any:
    del num_samples, is_real
    return ops.multiply(_of_full_scale(samples), factor)

  return apply


def _rms(settings: level.Rms, spec: audio_schema.AudioSpec) -> Twin:
  del spec
  factor = float(elementary.power(10, settings.level_db / 20))

  def apply(samples: Any, num_samples: Any, is_real: Any) -> Any:
    del is_real
    # Of samples whose loudest is 1, so that squares of the faintest are numbers too.
    scaled = _of_full_scale(samples)
    count = ops.cast(ops.maximum(num_samples, 1), 'float32')[:, None]
    power = ops.divide(ops.sum(ops.square(scaled), axis=1, keepdims=True), count)
    return ops.multiply(ops.divide_no_nan(scaled, ops.sqrt(power)), factor)

  return apply


def _of_full_scale(samples: Any) -> Any:
  """Scales each clip so that its loudest sample is 1; silence stays silence."""
  return ops.divide_no_nan(samples, ops.max(ops.abs(samples), axis=1, keepdims=True))


def _pre_emphasis(settings: pre_emphasis.PreEmphasis, spec: audio_schema.AudioSpec) -> Twin:
  del spec
  coefficient = float(settings.coefficient)

  def apply(samples: Any, num_samples: Any, is_real: Any) -> Any:
    del num_samples, is_real
    before = ops.concatenate([samples[:, :1], samples[:, :-1]], axis=1)
    return ops.subtract(samples, ops.multiply(before, coefficient))

  return apply


def _filtered(kind: str, settings: butterworth.HighPass, spec: audio_schema.AudioSpec) -> Twin:
  """The response to one sample times the spectrum of the clip, both with as many zeros behind.

  No sample of a clip is farther behind the first than its length, so nothing is cut off. That the
  filter has settled on the first sample is that it begins with silence and gets what differs from
  that sample; a low-pass lets the sample itself through, a high-pass stops it.
  """
  num_samples = spec.clip_samples
  impulse = np.zeros(num_samples, np.float32)
  impulse[1:2] = 1  # The first one is what a filter has settled on.
  response = effects.EFFECTS[kind].make(settings, spec.sample_rate_hz)(impulse)[1:]
  size = scipy.fft.next_fast_len(2 * num_samples, real=True)
  spectrum = np.fft.rfft(response, size)
  real_part, imaginary_part = spectrum.real.astype(np.float32), spectrum.imag.astype(np.float32)

  def apply(samples: Any, num_samples_of: Any, is_real: Any) -> Any:
    del num_samples_of, is_real
    first = samples[:, :1]
    moved = ops.subtract(samples, first)
    real, imaginary = ops.rfft(moved, fft_length=size)
    product = (
      ops.subtract(ops.multiply(real, real_part), ops.multiply(imaginary, imaginary_part)),
      ops.add(ops.multiply(real, imaginary_part), ops.multiply(imaginary, real_part)),
    )
    found = ops.irfft(product, fft_length=size)[:, :num_samples]
    return ops.add(found, first) if kind == 'low_pass' else found

  return apply


# Of each kind of features.effects.EFFECTS; of those that are endless for clips of one length.
TWINS: Mapping[str, Callable[[Any, audio_schema.AudioSpec], Twin]] = {
  'peak': _peak,
  'rms': _rms,
  'pre_emphasis': _pre_emphasis,
  'high_pass': functools.partial(_filtered, 'high_pass'),
  'low_pass': functools.partial(_filtered, 'low_pass'),
}
