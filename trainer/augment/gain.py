"""Louder or quieter."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from schemas import options
from trainer.augment import augmentation

if TYPE_CHECKING:
  import tensorflow as tf

LIMITS_DB = (-60.0, 60.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gain(augmentation.Settings):
  """Settings of the gain.

  Attributes:
    min_db: Least gain, in dB of the amplitude: -20 is a tenth.
    max_db: Greatest gain. Samples beyond [-1, 1] stay so.
  """

  min_db: float = -10.0
  max_db: float = 6.0

  def __post_init__(self) -> None:
    super().__post_init__()
    options.check_range(self.min_db, self.max_db, name='db', limits=LIMITS_DB)


def apply(
  examples: augmentation.Examples,
  settings: Gain,
  draws: tf.Tensor,
  context: augmentation.Context,
) -> augmentation.Examples:
  """Multiplies each clip by a factor, uniform in dB."""
  del context
  import tensorflow as tf

  gain_db = augmentation.between(draws[:, :1], settings.min_db, settings.max_db)  # [batch, 1]
  factor = tf.pow(10.0, gain_db / 20)
  return dataclasses.replace(examples, values=examples.values * factor)


AUGMENTATION = augmentation.Augmentation(
  settings=Gain,
  apply=apply,
  num_draws=lambda settings: 1,
  takes=augmentation.SAMPLES,
  identity={'min_db': 0.0, 'max_db': 0.0},
)
