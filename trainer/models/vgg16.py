"""VGG16, trained from random numbers or on top of ImageNet weights, with a head for our labels.

Source of the trunk: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale
Image Recognition" (2015), configuration D, as `keras.applications.VGG16` builds it: 13
convolutions in 5 blocks, 14,714,688 parameters.

A feature of one channel is repeated three times. Zeros (the train split's mean, as they stand
behind the normalisation) are added around inputs smaller than the 32 x 32 that the trunk wants.

Clips of any length: every convolution's result is set to zero behind the clip's end, which is what
the convolution would find there if the clip stood alone, and the average is taken in front of it.
What padding its batch adds changes nothing.
"""

from __future__ import annotations

import dataclasses

from schemas import errors, limits, record
from trainer.lazy import keras
from trainer.models import clip_rows, heads, inputs, model, vgg16_weights
from trainer.models.clip_rows import Rows

MIN_SIZE = 32

# ImageNet weights were trained on pixels in [0, 255] minus their mean, whose deviations are 58.4,
# 57.1 and 57.4 in red, green and blue (ImageNet's usual 0.229, 0.224 and 0.225 times 255).
PIXEL_DEVIATION = 57.6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vgg16(limits.Limited):
  """Settings of VGG16 with our head.

  Attributes:
    weights: `none` (random), `imagenet` (Keras downloads and keeps them), or the path of a file:
      .h5 or .weights.h5 of VGG16 without its top, or a .keras model that has such a trunk, such
      as the checkpoint of another run.
    head_units: Units of the hidden dense layer behind the global average pooling.
    dropout: Share of its outputs that training drops, in [0, 1).
    input_scale: The deviation of what enters the trunk. 0 stands for what the weights were
      trained with: 1 with weights=none, that of pixels with ImageNet's, and the checkpoint's own
      with the checkpoint of another run.
  """

  LIMITS = {
    'head_units': limits.AT_LEAST_1,
    'dropout': limits.RATE,
    'input_scale': limits.Limits(
      lambda value: 0 <= value < float('inf'), 'positive (or 0 for automatic)'
    ),
  }

  weights: str = 'none'
  head_units: int = 256
  dropout: float = 0.5
  input_scale: float = 0.0

  def __post_init__(self) -> None:
    if not self.weights.strip():
      raise errors.ConfigError(
        'weights must be none, imagenet or the path of a file, got an empty text.'
      )
    super().__post_init__()


def check(feature: record.FeatureSpec, settings: Vgg16) -> None:
  """Refuses pictures of other than 1 or 3 channels; DatasetError."""
  del settings
  if len(feature.shape) == 3 and feature.shape[-1] not in (1, 3):
    raise errors.DatasetError(
      f"Model 'vgg16' takes 1 or 3 channels, but {feature.name!r} is {inputs.shape_text(feature)}: "
      f'{feature.shape[-1]} channels. Use --model=cnn, or make a feature with 1 or 3.'
    )


def trunk(x: Rows, settings: Vgg16) -> Rows:
  """Returns [batch, rows / 32, bins / 32, 512]; see ModelFamily.

  Raises:
    ConfigError: if the weights cannot be had; the text says which file to fetch.
  """
  x = clip_rows.as_image(x)
  height, width = x.values.shape[1:3]
  network = keras.applications.VGG16(
    include_top=False,
    weights=None,
    input_shape=(height and max(height, MIN_SIZE), max(width, MIN_SIZE), 3),
    name='vgg16',
  )
  trained_scale = vgg16_weights.fill(network, settings.weights, pixel_scale=PIXEL_DEVIATION)
  x = _as_picture(x, scale=settings.input_scale or trained_scale)
  if x.num_rows is None:
    return x.through(network)
  for layer in network.layers[1:]:  # Behind the input.
    x = clip_rows.windowed(x, layer)
  return x


def head(x: Rows, settings: Vgg16) -> Rows:
  """Returns what a dense layer makes of the average over rows and bins, [batch, head_units]."""
  if x.num_rows is None:
    x = x.through(keras.layers.GlobalAveragePooling2D(name='average'))
  else:
    x = clip_rows.mean(x).through(lambda values: keras.ops.mean(values, axis=1))
  x = x.through(keras.layers.Dense(settings.head_units, activation='relu', name='dense'))
  return heads.dropped(x, settings)


def _as_picture(x: Rows, *, scale: float) -> Rows:
  """Returns [batch, at least 32, at least 32, 3] with the deviation `scale`."""
  missing = [max(0, MIN_SIZE - (size or MIN_SIZE)) for size in x.values.shape[1:3]]
  x = clip_rows.at_least(x, MIN_SIZE)
  if any(missing):
    padding = [(size // 2, size - size // 2) for size in missing]
    x = x.through(keras.layers.ZeroPadding2D(padding, dtype='float32', name='picture'))
  x = x.through(keras.layers.Rescaling(scale, dtype='float32', name=vgg16_weights.SCALE_LAYER))
  if x.values.shape[-1] == 1:
    repeated = keras.layers.Concatenate(dtype='float32', name='three_channels')
    x = x.through(lambda values: repeated([values] * 3))
  return x


# Measured on 600 spoken digits of 33 frames x 32 bins, random weights: after 3 passes the loss is
# 1.4 with 0.0001, 2.1 with 0.0003, and stays at ln 10 = 2.3 (nothing learned) with 0.001.
FAMILY = model.ModelFamily(
  settings=Vgg16,
  trunk=trunk,
  head=head,
  check=check,
  source='Simonyan & Zisserman 2015',
  learning_rate=0.0001,
  is_pretrained=lambda settings: settings.weights != vgg16_weights.NONE,
  unfilled=lambda settings: dataclasses.replace(settings, weights=vgg16_weights.UNFILLED),
)
