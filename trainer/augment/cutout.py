"""Cutout: a rectangle at a random place is masked (DeVries and Taylor, 2017, arXiv:1708.04552).

The centre lies anywhere in the example, so that a part of the rectangle may lie outside, as in the
paper. What is masked gets the mean of the train split, which the model's normalisation turns into
0, as in the paper. Its squares have 16 of CIFAR-10's 32 pixels and 8 of CIFAR-100's; here sides are
shares of the example's, as features are no squares.
"""

from __future__ import annotations

import dataclasses

from trainer.augment import augmentation
from trainer.lazy import tf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cutout(augmentation.Settings):
  """Settings of the rectangles.

  Attributes:
    holes: Rectangles of each example.
    row_share: Length of each, as a share of the example's own rows: of its time, or of a picture's
      height.
    bin_share: Its other side, as a share of the bins, or of a picture's width.
  """

  LIMITS = {'holes': (0, 20), 'row_share': (0.0, 1.0), 'bin_share': (0.0, 1.0)}

  holes: int = 1
  row_share: float = 0.25
  bin_share: float = 0.25


def apply(
  examples: augmentation.Examples,
  settings: Cutout,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Replaces what lies in the rectangles of each example [rows, bins] or [rows, bins, channels]."""
  values = examples.values
  size = tf.shape(values)
  rows = _spans(draws[:, 0::2], examples.lengths(), size[1], share=settings.row_share)
  columns = _spans(draws[:, 1::2], tf.fill(size[:1], size[2]), size[2], share=settings.bin_share)
  masked = tf.reduce_any(rows[..., tf.newaxis] & columns[:, :, tf.newaxis], axis=1)
  masked &= examples.is_real()[..., tf.newaxis]
  if values.shape.rank == 4:
    masked = masked[..., tf.newaxis]
  fill = augmentation.fill(examples, context)
  return dataclasses.replace(examples, values=tf.where(masked, fill, values))


def _spans(draws: tf.Tensor, lengths: tf.Tensor, size: tf.Tensor, *, share: float) -> tf.Tensor:
  """Returns which places lie in each hole, along one axis: bool [batch, holes, size].

  Args:
    draws: Of the centres, [batch, holes].
    lengths: Places that each example has, int32 [batch].
    size: Of the axis.
    share: Width of each hole, as a share of the length.
  """
  lengths = lengths[:, tf.newaxis]
  widths = tf.cast(tf.round(tf.cast(lengths, tf.float32) * share), tf.int32)
  starts = augmentation.up_to(draws, lengths - 1) - widths // 2  # [batch, holes]
  places = tf.range(size)
  behind_start = places >= starts[..., tf.newaxis]
  return behind_start & (places < (starts + widths)[..., tf.newaxis])


AUGMENTATION = augmentation.Augmentation(
  settings=Cutout,
  apply=apply,
  num_draws=lambda settings: 2 * settings.holes,
  takes=augmentation.FEATURES,
  identity={'holes': 0},
  wants=augmentation.BINS,
)
