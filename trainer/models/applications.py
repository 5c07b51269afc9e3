"""The networks of `keras.applications`, from random numbers or on top of ImageNet's weights.

A feature of one channel is repeated three times. Zeros (the train split's mean, as they stand
behind the normalisation) are added around inputs smaller than the 32 x 32 that the networks want.

`vgg16` takes clips of any length: its convolutions find zeros behind the clip's end, which is what
they would find there if the clip stood alone, and the average is taken in front of it. The others
are graphs that cannot be looked into, and take clips of one length.

Two things are not as in Keras. VGG16's random kernels are drawn as He et al. (2015) do. And batch
normalisation moves its statistics by a tenth a step (Keras: a hundredth, MobileNetV3 a thousandth,
which is for runs of a hundred thousand steps).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from schemas import errors, limits, record
from trainer.lazy import keras
from trainer.models import anatomy, application_weights, clip_rows, heads, inputs, model
from trainer.models.clip_rows import Rows

MIN_SIZE = 32
_MOMENTUM = 0.9
_DROP_CONNECT = 0.2  # Keras's own share, at the top block.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Application(limits.Limited):
  """Settings of a network of keras.applications with our head.

  Attributes:
    weights: `none` (random), `imagenet` (Keras downloads and keeps them), or the path of a file:
      .h5 or .weights.h5 of the network without its top, or a .keras model that has such a trunk,
      such as the checkpoint of another run.
    blocks: How many of the network's blocks are taken, the lowest ones; 0: all.
    head_units: Units of a hidden dense layer behind the global average pooling; 0: none.
    dropout: Share of what stands in front of the logits that training drops, in [0, 1).
    input_scale: The deviation of what enters the trunk. 0 stands for what the weights were
      trained with.
  """

  LIMITS = {
    'blocks': limits.NATURAL,
    'head_units': limits.NATURAL,
    'dropout': limits.RATE,
    'input_scale': dataclasses.replace(limits.AT_LEAST_0, wanted='positive (or 0 for automatic)'),
  }

  weights: str = 'none'
  blocks: int = 0
  head_units: int = 0
  dropout: float = 0.2
  input_scale: float = 0.0

  def __post_init__(self) -> None:
    if not self.weights.strip():
      raise errors.ConfigError(
        'weights must be none, imagenet or the path of a file, got an empty text.'
      )
    super().__post_init__()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vgg16(Application):
  """Settings of VGG16.

  Attributes:
    head_units: As with all of them.
    dropout: As with all of them.
  """

  head_units: int = 256
  dropout: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class EfficientNetB0(Application):
  """Settings of EfficientNetB0.

  Attributes:
    drop_connect: How often training leaves out what the highest block adds, in [0, 1); lower blocks
      less often (stochastic depth).
  """

  LIMITS = {'drop_connect': limits.RATE}

  drop_connect: float = _DROP_CONNECT


@dataclasses.dataclass(frozen=True, kw_only=True)
class MobileNetV3(Application):
  """Settings of MobileNetV3, small.

  Attributes:
    alpha: How many times as many filters as the paper has.
  """

  LIMITS = {'alpha': limits.within(0.05, 16)}

  alpha: float = 1.0

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.weights == application_weights.IMAGENET and self.alpha != 1:
      raise errors.ConfigError(
        f'weights=imagenet are those of alpha=1, got alpha={self.alpha:g}. Write alpha=1 or '
        'weights=none.'
      )


def _family(
  published: application_weights.Published,
  settings: type,
  *,
  learning_rate: float,
  source: str,
  lengths: model.Lengths = model.Lengths.ONE,
) -> model.ModelFamily:
  """Returns the line of a network in the models' table."""

  def check(feature: record.FeatureSpec, settings: Any) -> None:
    del settings
    if len(feature.shape) == 3 and feature.shape[-1] not in (1, 3):
      raise errors.DatasetError(
        f'Model {published.name!r} takes 1 or 3 channels, but {feature.name!r} is '
        f'{inputs.shape_text(feature)}: {feature.shape[-1]} channels. Use --model=cnn, or make a '
        'feature with 1 or 3.'
      )

  return model.ModelFamily(
    settings=settings,
    trunk=lambda x, settings: _trunk(x, settings, published),
    head=_head,
    lengths=lengths,
    check=check,
    source=source,
    learning_rate=learning_rate,
    is_pretrained=lambda settings: settings.weights != application_weights.NONE,
    unfilled=lambda settings: dataclasses.replace(settings, weights=application_weights.UNFILLED),
    scratch=lambda settings: dataclasses.replace(settings, weights=application_weights.NONE),
  )


def _trunk(x: Rows, settings: Any, published: application_weights.Published) -> Rows:
  """Returns [batch, about rows / 32, about bins / 32, channels]; see ModelFamily.

  Raises:
    ConfigError: if the weights cannot be had; the text says which file to fetch.
  """
  x = clip_rows.as_image(x)
  height, width = x.values.shape[1:3]
  size = (height and max(height, MIN_SIZE), max(width, MIN_SIZE), 3)
  made = published.make(size, **_arguments(settings))
  for layer in made.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
      layer.momentum = _MOMENTUM
    elif isinstance(layer, keras.layers.Dropout):  # EfficientNet's, with a share for each block.
      layer.rate *= settings.drop_connect / _DROP_CONNECT
  pixels = application_weights.fill(made, settings.weights, published)
  if settings.blocks:
    made = anatomy.lowest_blocks(made, settings.blocks)
  x = _as_picture(x, dataclasses.replace(pixels, scale=settings.input_scale or pixels.scale))
  if x.num_rows is None:
    return x.through(made)
  for layer in made.layers[1:]:  # Behind the input.
    x = clip_rows.windowed(x, layer)
  return x


def _arguments(settings: Any) -> Mapping[str, Any]:
  return {'alpha': settings.alpha} if isinstance(settings, MobileNetV3) else {}


def _head(x: Rows, settings: Any) -> Rows:
  """Returns the average over rows and bins, and what a dense layer makes of it if there is one."""
  if x.num_rows is None:
    x = x.through(keras.layers.GlobalAveragePooling2D(name='average'))
  else:
    x = heads.pooled(x)
  if settings.head_units:
    x = x.through(keras.layers.Dense(settings.head_units, activation='relu', name='dense'))
  return heads.dropped(x, settings)


def _as_picture(x: Rows, pixels: application_weights.Pixels) -> Rows:
  """Returns [batch, at least 32, at least 32, 3] as a network wants its pixels."""
  missing = [max(0, MIN_SIZE - (size or MIN_SIZE)) for size in x.values.shape[1:3]]
  x = clip_rows.at_least(x, MIN_SIZE)
  if any(missing):
    padding = [(size // 2, size - size // 2) for size in missing]
    x = x.through(keras.layers.ZeroPadding2D(padding, dtype='float32', name='picture'))
  if x.values.shape[-1] == 1:
    repeated = keras.layers.Concatenate(dtype='float32', name='three_channels')
    x = x.through(lambda values: repeated([values] * 3))
  # As JSON holds them.
  scale = list(pixels.scale) if isinstance(pixels.scale, tuple) else pixels.scale
  name = application_weights.SCALE_LAYER
  return x.through(keras.layers.Rescaling(scale, list(pixels.offset), dtype='float32', name=name))


FAMILIES: Mapping[str, model.ModelFamily] = {
  # Measured on 600 spoken digits of 33 frames x 32 bins, random weights: after 3 passes the loss
  # is 1.4 with 0.0001, 2.1 with 0.0003, and stays at ln 10 = 2.3 (nothing learned) with 0.001.
  'vgg16': _family(
    application_weights.VGG16,
    Vgg16,
    lengths=model.Lengths.ANY,
    learning_rate=0.0001,
    source='Simonyan & Zisserman 2015',
  ),
  'resnet50': _family(
    application_weights.RESNET50, Application, learning_rate=0.001, source='He et al. 2016'
  ),
  'efficientnet_b0': _family(
    application_weights.EFFICIENTNET_B0,
    EfficientNetB0,
    learning_rate=0.001,
    source='Tan & Le 2019',
  ),
  'mobilenet_v3_small': _family(
    application_weights.MOBILENET_V3_SMALL,
    MobileNetV3,
    learning_rate=0.001,
    source='Howard et al. 2019',
  ),
}
