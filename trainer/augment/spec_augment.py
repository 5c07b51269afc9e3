"""SpecAugment: bands of time and of frequency are masked (Park et al., 2019, arXiv:1904.08779).

What is masked gets the mean of the train split, which the model's normalisation turns into 0, as in
the paper. Time is not warped: the paper found that it helps least.
"""

from __future__ import annotations

import dataclasses

from trainer.augment import augmentation
from trainer.lazy import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpecAugment(augmentation.Settings):
  """Settings of the masks; the letters are those of the paper.

  Attributes:
    time_masks: Bands of time (m_T).
    max_time_rows: Greatest length of each, in frames (T).
    max_time_share: Greatest length of each as a share of the clip's own frames (p).
    frequency_masks: Bands of frequency (m_F).
    max_frequency_bins: Greatest height of each, in bins (F).
  """

  LIMITS = {
    'time_masks': (0, 20),
    'frequency_masks': (0, 20),
    'max_time_rows': (0, 10_000),
    'max_frequency_bins': (0, 10_000),
    'max_time_share': (0, 1),
  }

  time_masks: int = 2
  max_time_rows: int = 20
  max_time_share: float = 0.2
  frequency_masks: int = 2
  max_frequency_bins: int = 10


def apply(
  examples: augmentation.Examples,
  settings: SpecAugment,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Replaces the masked values of each example [rows, bins] or [rows, bins, channels]."""
  values = examples.values
  num_rows, num_bins = tf.shape(values)[1], tf.shape(values)[2]
  split = 2 * settings.time_masks
  lengths = examples.lengths()  # [batch]
  by_share = tf.cast(tf.cast(lengths, tf.float32) * settings.max_time_share, tf.int32)
  longest = tf.minimum(settings.max_time_rows, by_share)
  rows = _bands(draws[:, :split], longest, lengths, size=num_rows)
  bins = tf.fill([tf.shape(values)[0]], num_bins)
  highest = tf.minimum(settings.max_frequency_bins, bins)
  columns = _bands(draws[:, split:], highest, bins, size=num_bins)
  masked = (rows[:, :, tf.newaxis] | columns[:, tf.newaxis]) & examples.is_real()[..., tf.newaxis]
  if values.shape.rank == 4:
    masked = masked[..., tf.newaxis]
  return dataclasses.replace(
    examples, values=tf.where(masked, augmentation.fill(examples, context), values)
  )


def _bands(
  draws: tf.Tensor, widest: tf.Tensor, lengths: tf.Tensor, *, size: tf.Tensor
) -> tf.Tensor:
  """Returns which of `size` places lie in a band, bool [batch, size].

  Args:
    draws: [batch, 2 * bands]: a width and a start for each band.
    widest: Greatest width, int32 [batch].
    lengths: Places that a band may cover, int32 [batch].
    size: Of the axis.
  """
  widths = augmentation.up_to(draws[:, 0::2], widest[:, tf.newaxis])  # [batch, bands]
  starts = augmentation.up_to(draws[:, 1::2], lengths[:, tf.newaxis] - widths)
  places = tf.range(size)  # [size]
  behind_start = places >= starts[..., tf.newaxis]  # [batch, bands, size]
  return tf.reduce_any(behind_start & (places < (starts + widths)[..., tf.newaxis]), axis=1)


AUGMENTATION = augmentation.Augmentation(
  settings=SpecAugment,
  apply=apply,
  num_draws=lambda settings: 2 * (settings.time_masks + settings.frequency_masks),
  takes=augmentation.FEATURES,
  identity={'time_masks': 0, 'frequency_masks': 0},
  wants=augmentation.BINS,
)
