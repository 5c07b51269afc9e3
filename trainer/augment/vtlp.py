"""Vocal tract length perturbation: as if another throat had said it (Jaitly and Hinton, 2013).

N. Jaitly, G. E. Hinton: Vocal tract length perturbation (VTLP) improves speech recognition, ICML
workshop on deep learning for audio, speech and language, 2013. The paper moves the centres f of the
mel filters, with S samples per second and F = 4,800 Hz, to

  f * a                                          where f <= F min(a, 1) / a,
  S/2 - (S/2 - F min(a, 1)) / (S/2 - F min(a, 1) / a) * (S/2 - f)      above,

with a of [0.9, 1.1]. Here the finished energies are read between their bins, linear, so that it
works on what is stored; and F is a share of S/2: that of the paper at 16 kHz.
"""

from __future__ import annotations

import dataclasses

from trainer.augment import augmentation, interpolation
from trainer.lazy import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vtlp(augmentation.Settings):
  """Settings of the warp.

  Attributes:
    min_warp: Least factor (a); below 1 the sound moves up.
    max_warp: Greatest factor.
    high_share: Up to where frequencies are multiplied, as a share of half the sample rate (F):
      0.6 takes in the formants of speech. Above, the rest is squeezed or spread.
  """

  LIMITS = {'warp': (0.5, 2.0), 'high_share': (0.1, 0.9)}

  min_warp: float = 0.9
  max_warp: float = 1.1
  high_share: float = 0.6


def apply(
  examples: augmentation.Examples,
  settings: Vtlp,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Warps the frequencies of each example by a factor of its own."""
  warps = augmentation.between(draws[:, :1], settings.min_warp, settings.max_warp)
  bins_hz = tf.constant(context.bins_hz, tf.float32)
  nyquist_hz = context.sample_rate_hz / 2
  sources_hz = warped(
    bins_hz, warps, nyquist_hz=nyquist_hz, high_hz=settings.high_share * nyquist_hz
  )
  values = interpolation.with_frequencies(examples.values, sources_hz, context)
  return dataclasses.replace(examples, values=values)


def warped(hz: tf.Tensor, warps: tf.Tensor, *, nyquist_hz: float, high_hz: float) -> tf.Tensor:
  """Returns where the frequencies move, float32 [batch, bins]: the function above.

  Args:
    hz: [bins].
    warps: [batch, 1].
    nyquist_hz: Half the sample rate, which stays where it is.
    high_hz: F.
  """
  top = high_hz * tf.minimum(warps, 1.0)
  rest = (nyquist_hz - top) / (nyquist_hz - top / warps)
  moved = tf.where(hz <= top / warps, hz * warps, nyquist_hz - rest * (nyquist_hz - hz))
  return tf.where(warps == 1.0, hz[tf.newaxis], moved)  # Without rounding.


AUGMENTATION = augmentation.Augmentation(
  settings=Vtlp,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.FEATURES,
  identity={'min_warp': 1.0, 'max_warp': 1.0},
  wants=augmentation.FREQUENCIES,
)
