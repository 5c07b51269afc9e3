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
import logging
from typing import Any

from schemas import errors, limits, manifest, record
from trainer.lazy import keras
from trainer.models import inputs, masks, model, vgg16_weights

NUM_BLOCKS = 5
MIN_SIZE = 32
AUTOMATIC = -1

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
    trainable_blocks: How many of the 5 blocks train, counted from the top; 0 trains the head
      alone. -1 stands for 5 with weights=none (random weights must learn), and 1 otherwise.
    head_units: Units of the hidden dense layer behind the global average pooling.
    dropout: Share of its outputs that training drops, in [0, 1).
    input_scale: The deviation of what enters the trunk. 0 stands for what the weights were
      trained with: 1 with weights=none, that of pixels with ImageNet's, and the checkpoint's own
      with the checkpoint of another run.
  """

  LIMITS = {
    'trainable_blocks': limits.Limits(
      lambda value: AUTOMATIC <= value <= NUM_BLOCKS, f'0 to {NUM_BLOCKS} (or -1 for automatic)'
    ),
    'head_units': limits.AT_LEAST_1,
    'dropout': limits.RATE,
    'input_scale': limits.Limits(
      lambda value: 0 <= value < float('inf'), 'positive (or 0 for automatic)'
    ),
  }

  weights: str = 'none'
  trainable_blocks: int = AUTOMATIC
  head_units: int = 256
  dropout: float = 0.5
  input_scale: float = 0.0

  def __post_init__(self) -> None:
    if not self.weights.strip():
      raise errors.ConfigError(
        'weights must be none, imagenet or the path of a file, got an empty text.'
      )
    super().__post_init__()

  @property
  def num_trainable_blocks(self) -> int:
    """The blocks that train, the automatic choice made."""
    if self.trainable_blocks != AUTOMATIC:
      return self.trainable_blocks
    return NUM_BLOCKS if self.weights == vgg16_weights.NONE else 1


def build(
  feature: record.FeatureSpec,
  statistics: manifest.FeatureStatistics | None,
  num_labels: int,
  settings: Vgg16,
) -> keras.Model:
  """Returns the model; see ModelFamily.build.

  Raises:
    DatasetError: if the feature is not [time, bins] or an image of 1 or 3 channels.
    ConfigError: if the weights cannot be had; the text says which file to fetch.
  """
  shape = inputs.image_shape(feature, model='vgg16')
  if shape[-1] not in (1, 3):
    raise errors.DatasetError(
      f"Model 'vgg16' takes 1 or 3 channels, but {feature.name!r} is {inputs.shape_text(feature)}: "
      f'{shape[-1]} channels. Use --model=cnn, or make a feature with 1 or 3.'
    )
  height = None if shape[0] is None else max(shape[0], MIN_SIZE)
  trunk = keras.applications.VGG16(
    include_top=False,
    weights=None,
    input_shape=(height, max(shape[1], MIN_SIZE), 3),
    name='vgg16',
  )
  trained_scale = vgg16_weights.fill(trunk, settings.weights, pixel_scale=PIXEL_DEVIATION)
  _freeze(trunk, settings)
  sources = [inputs.new_input(feature)]
  x = inputs.normalised(sources[0], feature, statistics)
  scale = settings.input_scale or trained_scale
  if feature.is_variable:
    sources.append(inputs.new_num_rows())
    x = inputs.as_image(masks.zeros_behind(x, sources[1]), shape)
    x = _mean_over_clip(trunk, _as_picture(x, shape, scale=scale), sources[1])
  else:
    x = trunk(_as_picture(inputs.as_image(x, shape), shape, scale=scale))
    x = keras.layers.GlobalAveragePooling2D(name='average')(x)
  x = keras.layers.Dense(settings.head_units, activation='relu', name='dense')(x)
  x = keras.layers.Dropout(settings.dropout, name='dropout')(x)
  # float32, so that the loss never sees half precision.
  logits = keras.layers.Dense(num_labels, dtype='float32', name='logits')(x)
  source = sources if feature.is_variable else sources[0]
  return keras.Model(source, logits, name='vgg16_classifier')


def _as_picture(x: Any, shape: tuple[int | None, int, int], *, scale: float) -> Any:
  """Returns [batch, at least 32, at least 32, 3] with the deviation `scale`."""
  missing = [0 if size is None else max(0, MIN_SIZE - size) for size in shape[:2]]
  padding = [(size // 2, size - size // 2) for size in missing]
  if shape[0] is None:
    padding[0] = (0, MIN_SIZE - 1)  # The shortest clip has one row.
  if any(sum(sizes) for sizes in padding):
    x = keras.layers.ZeroPadding2D(padding, dtype='float32', name='padding')(x)
  x = keras.layers.Rescaling(scale, dtype='float32', name=vgg16_weights.SCALE_LAYER)(x)
  if shape[-1] == 1:
    x = keras.layers.Concatenate(dtype='float32', name='three_channels')([x, x, x])
  return x


def _mean_over_clip(trunk: keras.Model, x: Any, num_rows: Any) -> Any:
  """Returns the average of the trunk's result over each clip's own part of it, [batch, 512]."""
  num_rows = keras.ops.maximum(num_rows, MIN_SIZE)
  for layer in trunk.layers:
    if isinstance(layer, keras.layers.Conv2D):
      x = masks.zeros_behind(layer(x), num_rows)
    elif isinstance(layer, keras.layers.MaxPooling2D):
      x, num_rows = layer(x), num_rows // 2
  return keras.ops.mean(masks.mean_over_rows(x, num_rows), axis=1)


def _freeze(trunk: keras.Model, settings: Vgg16) -> None:
  """Lets the top blocks train and no others."""
  first_trained = NUM_BLOCKS - settings.num_trainable_blocks + 1
  for layer in trunk.layers:
    layer.trainable = (
      layer.name.startswith('block') and int(layer.name[len('block')]) >= first_trained
    )
  if settings.weights == vgg16_weights.NONE and first_trained > 1:
    logging.getLogger(__name__).warning(
      'vgg16: the lower %d of %d blocks stay random numbers, as weights=none and '
      'trainable_blocks=%d. Leave trainable_blocks away to train them all, or give weights.',
      first_trained - 1,
      NUM_BLOCKS,
      settings.num_trainable_blocks,
    )


def _unfilled(settings: Vgg16) -> Vgg16:
  return dataclasses.replace(
    settings, weights=vgg16_weights.UNFILLED, trainable_blocks=settings.num_trainable_blocks
  )


# Measured on 600 spoken digits of 33 frames x 32 bins, random weights: after 3 passes the loss is
# 1.4 with 0.0001, 2.1 with 0.0003, and stays at ln 10 = 2.3 (nothing learned) with 0.001.
FAMILY = model.ModelFamily(settings=Vgg16, build=build, learning_rate=0.0001, unfilled=_unfilled)
