"""Higher or lower, at the same speed."""

from __future__ import annotations

import dataclasses

from features.augmentations import phase_vocoder, pitch_shift
from features.spectra import frames as frames_lib
from trainer.augment import augmentation, interpolation, resampler
from trainer.lazy import tf


def apply(
  examples: augmentation.Examples,
  settings: pitch_shift.PitchShift,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Multiplies every frequency of an example by 2^(semitones / 12), uniform in semitones.

  Samples are stretched by a phase vocoder, then played so fast that they are as long as they were,
  as the data job does it. Of features the bins are read at other frequencies.
  """
  limit = settings.max_semitones
  semitones = augmentation.between(draws[:, :1], -limit, limit)
  factors = tf.pow(2.0, semitones / 12)  # [batch, 1]
  if examples.values.shape.rank > 2:
    sources_hz = tf.constant(context.bins_hz, tf.float32) / factors
    values = interpolation.with_frequencies(examples.values, sources_hz, context)
    return dataclasses.replace(examples, values=values)
  window_samples = phase_vocoder.window_samples(context.sample_rate_hz)
  found = _shifted(examples.values, factors, 2 ** (limit / 12), window_samples)
  found = tf.where(examples.is_real(), found, 0.0)
  # To the last bit where nothing is shifted.
  return dataclasses.replace(examples, values=tf.where(factors == 1.0, examples.values, found))


def _shifted(values: tf.Tensor, factors: tf.Tensor, most: float, window_samples: int) -> tf.Tensor:
  """Returns as many samples, with frequencies multiplied.

  Source: as features.augmentations.phase_vocoder, which says where it comes from; but frames go on
  behind the end of the clip until nothing of it is in them.

  Args:
    values: float32 [batch, samples].
    factors: Of the frequencies, and so of the duration in between, [batch, 1].
    most: The greatest of them that there can be.
    window_samples: Length of a frame.
  """
  hop_samples = window_samples // phase_vocoder.HOPS
  window = tf.constant(frames_lib.hann_window(window_samples))
  num_samples = tf.shape(values)[1]
  num_frames = 1 + (num_samples + window_samples) // hop_samples
  behind = (num_frames + 1) * hop_samples + window_samples - num_samples
  padded = tf.pad(values, [[0, 0], [window_samples // 2, behind]])
  frames = tf.signal.frame(padded, window_samples, hop_samples)[:, : num_frames + 1]
  spectrum = tf.signal.rfft(frames * window)  # [batch, num_frames + 1, bins]
  magnitudes, angles = tf.abs(spectrum), tf.math.angle(spectrum)

  longest = tf.cast(tf.math.ceil(tf.cast(num_frames, tf.float32) * most), tf.int32)
  times = tf.range(tf.cast(longest, tf.float32)) / factors  # In frames of the input.
  before = tf.cast(tf.floor(times), tf.int32)
  share = (times - tf.cast(before, tf.float32))[..., tf.newaxis]
  before = tf.minimum(before, num_frames - 1)
  low = tf.gather(magnitudes, before, batch_dims=1)
  between = low + share * (tf.gather(magnitudes, before + 1, batch_dims=1) - low)
  between = tf.where((times < tf.cast(num_frames, tf.float32))[..., tf.newaxis], between, 0.0)
  steps = tf.gather(angles[:, 1:] - angles[:, :-1], before, batch_dims=1)
  phases = angles[:, :1] + tf.cumsum(steps, axis=1, exclusive=True)

  made = tf.signal.irfft(tf.complex(between * tf.cos(phases), between * tf.sin(phases)))
  total = tf.signal.overlap_and_add(made * window, hop_samples)
  weights = tf.tile(tf.square(window)[tf.newaxis], [longest, 1])
  weights = tf.signal.overlap_and_add(weights, hop_samples)
  # The first frame is centred on the first sample.
  stretched = (total / tf.maximum(weights, 1e-3))[:, window_samples // 2 :]
  places = tf.range(tf.cast(num_samples, tf.float64)) * tf.cast(factors, tf.float64)
  return resampler.at(stretched, places, factors)


AUGMENTATION = augmentation.Augmentation(
  settings=pitch_shift.PitchShift,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.EITHER,
  identity={'max_semitones': 0.0},
  wants=augmentation.FREQUENCIES,
)
