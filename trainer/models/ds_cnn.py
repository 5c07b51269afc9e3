"""DS-CNN: depthwise separable convolutions over frames and bins, made for microcontrollers.

Source: Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers" (2017), appendix A, and the
authors' code: a convolution of 10 frames x 4 bins, then 4 (s, m) or 5 (l) depthwise 3x3 and 1x1
convolutions, each with batch normalisation without a scale, and ReLU. At 49 x 10 MFCC and 12 labels
the paper has 5.4, 19.8 and 56.9 million operations (a multiplication and an addition are two) and
38.6, 189.2 and 497.6 kB of memory: a byte for each of 22,604, 135,032 and 410,700 parameters, and
for each value in front of and behind the layer with most of them.

Deviations: the momentum of batch normalisation is 0.9 (the authors': 0.96), and a window that steps
by 2 over an even number of bins begins one bin earlier than TensorFlow's.
"""

from __future__ import annotations

import dataclasses

from schemas import errors, limits
from trainer.lazy import keras
from trainer.models import clip_rows, convolutions, model
from trainer.models.clip_rows import Rows

FIRST_KERNEL = (10, 4)
KERNEL = (3, 3)
NORM = {'scale': False}  # ReLU and the next convolution can do it.


@dataclasses.dataclass(frozen=True)
class Size:
  """One of the paper's networks: filters, separable convolutions, steps of the first two layers."""

  filters: int
  blocks: int
  first_step: tuple[int, int]
  second_step: int


SIZES = {
  's': Size(64, 4, (2, 2), 1),
  'm': Size(172, 4, (2, 1), 2),
  'l': Size(276, 5, (2, 1), 2),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DsCnn(limits.Limited):
  """Settings of DS-CNN.

  Attributes:
    size: s, m or l.
    filters: Of each convolution; 0 stands for those of the size: 64, 172 and 276.
    dropout: Share of the average's values that training drops, in [0, 1).
  """

  LIMITS = {'filters': limits.NATURAL, 'dropout': limits.RATE}

  size: str = 's'
  filters: int = 0
  dropout: float = 0.0

  def __post_init__(self) -> None:
    if self.size not in SIZES:
      raise errors.ConfigError(f'size must be {", ".join(SIZES)}, got {self.size!r}.')
    super().__post_init__()


def trunk(x: Rows, settings: DsCnn) -> Rows:
  """Returns [batch, rows / 2 or 4, bins / 2, filters]; see ModelFamily."""
  size = SIZES[settings.size]
  filters = settings.filters or size.filters
  x = clip_rows.as_image(x)
  first = keras.layers.Conv2D(
    filters,
    FIRST_KERNEL,
    strides=size.first_step,
    padding='same',
    use_bias=False,
    name='block1_conv',
  )
  x = convolutions.normed(x, first, norm=NORM)
  for i in range(size.blocks):
    step = size.second_step if i == 0 else 1
    depthwise = convolutions.depthwise(KERNEL, strides=step, name=f'block{i + 2}_depthwise')
    x = convolutions.normed(x, depthwise, norm=NORM)
    x = convolutions.pointwise(x, filters, name=f'block{i + 2}_pointwise', norm=NORM)
  return x


# Measured on 1,344 spoken digits of 49 frames x 40 bins: after 5 epochs 66 % of others are right
# with 0.003, 55 % with 0.001.
FAMILY = model.ModelFamily(
  settings=DsCnn, trunk=trunk, source='Zhang et al. 2017', learning_rate=0.003
)
