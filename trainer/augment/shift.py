"""Earlier or later, with silence where nothing is left."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from schemas import options
from trainer.augment import augmentation

if TYPE_CHECKING:
  import tensorflow as tf

MAX_SHIFT_S = 60.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shift(augmentation.Settings):
  """Settings of the shift in time.

  Attributes:
    max_shift_s: Greatest shift, in seconds, in either direction; at most half of the clip.
  """

  max_shift_s: float = 0.1

  def __post_init__(self) -> None:
    super().__post_init__()
    options.check_at_most(self.max_shift_s, name='max_shift_s', limit=MAX_SHIFT_S)


def apply(
  examples: augmentation.Examples,
  settings: Shift,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Moves each clip by whole samples; what leaves it is gone, zeros follow it."""
  import tensorflow as tf

  lengths = examples.lengths()[:, tf.newaxis]  # [batch, 1]
  limits = tf.minimum(round(settings.max_shift_s * context.sample_rate_hz), lengths // 2)
  shifts = augmentation.up_to(draws[:, :1], 2 * limits) - limits
  places = tf.range(tf.shape(examples.values)[1])[tf.newaxis]
  sources = places - shifts  # [batch, samples]
  is_there = (sources >= 0) & (sources < lengths) & (places < lengths)
  last = tf.maximum(0, tf.shape(examples.values)[1] - 1)
  moved = tf.gather(examples.values, tf.clip_by_value(sources, 0, last), batch_dims=1)
  return dataclasses.replace(examples, values=tf.where(is_there, moved, 0.0))


AUGMENTATION = augmentation.Augmentation(
  settings=Shift,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.SAMPLES,
  identity={'max_shift_s': 0.0},
)
