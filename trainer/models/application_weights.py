"""Fills a network of keras.applications: with random numbers, ImageNet's weights, or from a file.

Some of ImageNet's weights want blue, green, red; pictures here are red, green, blue. So the first
convolution's input channels are turned round. Weights of another run have the order of pictures.
"""

from __future__ import annotations

import dataclasses
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from schemas import errors
from tfrecords import paths
from trainer.lazy import keras

NONE = 'none'
IMAGENET = 'imagenet'
UNFILLED = 'unfilled'  # Of a model that is only measured.
SCALE_LAYER = 'input_scale'
_SUFFIXES = ('.keras', '.h5')

# Mean and deviation of ImageNet's pixels in red, green and blue, as shares of 255.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Pixels:
  """What enters a network where a normalised value is 0 and 1: offset, and offset + scale.

  Attributes:
    scale: One for all channels, or those of red, green, blue.
    offset: Of red, green, blue.
  """

  scale: float | tuple[float, ...] = 1.0
  offset: tuple[float, ...] = (0.0, 0.0, 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
  """A network and its weights as Keras publishes them.

  Attributes:
    name: In the models' table.
    network: In keras.applications.
    file: The name of the file of ImageNet's weights without the top.
    pixels: What these weights were trained with.
    random: What random weights get.
    first: The first convolution, if its weights want blue, green, red.
    arguments: Of the network's function.
  """

  name: str
  network: str
  file: str
  pixels: Pixels
  random: Pixels = Pixels()
  first: str = ''
  arguments: tuple[tuple[str, Any], ...] = ()

  def make(
    self, size: tuple[int | None, int, int], *, weights: str | None = None, **settings: Any
  ) -> keras.Model:
    """Returns the network without its top, with random weights or those that Keras downloads."""
    function = getattr(keras.applications, self.network)
    arguments = {**dict(self.arguments), **settings}
    if weights is None:
      arguments['name'] = self.name
    return function(include_top=False, weights=weights, input_shape=size, **arguments)


# ImageNet's pixels in [0, 255] have the deviations 58.4, 57.1 and 57.4 in red, green and blue:
# 57.6 stands for all three, to a hundredth.
_CAFFE = Pixels(scale=57.6)  # The mean is taken off, nothing is divided.

VGG16 = Published(
  name='vgg16',
  network='VGG16',
  file='vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5',
  pixels=_CAFFE,
  first='block1_conv1',
)
RESNET50 = Published(
  name='resnet50',
  network='ResNet50',
  file='resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5',
  pixels=_CAFFE,
  first='conv1_conv',
)
# The network divides by 255 itself, takes off the mean, and divides by the root of the deviation;
# Keras divides by that root once more behind it, where it downloads the weights itself. Here that
# division is in the scale.
EFFICIENTNET_B0 = Published(
  name='efficientnet_b0',
  network='EfficientNetB0',
  file='efficientnetb0_notop.h5',
  pixels=Pixels(
    scale=tuple(255 * one**0.5 for one in _DEVIATION),
    offset=tuple(255 * one for one in _MEAN),
  ),
  random=Pixels(scale=255.0),
)
MOBILENET_V3_SMALL = Published(
  name='mobilenet_v3_small',
  network='MobileNetV3Small',
  file='weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5',
  # Pixels in [-1, 1].
  pixels=Pixels(scale=57.6 / 127.5, offset=(2 * _MEAN[0] - 1, 2 * _MEAN[1] - 1, 2 * _MEAN[2] - 1)),
  arguments=(('include_preprocessing', False),),
)


def fill(network: keras.Model, weights: str, published: Published) -> Pixels:
  """Sets all weights of a network and returns what they were trained with.

  Args:
    network: What `published.make` gave.
    weights: `none`, `imagenet` or the path of a file.
    published: Which network it is.

  Raises:
    ConfigError: if the weights are missing or of another network.
  """
  if weights == UNFILLED:
    return published.random
  if weights == NONE:
    _fill_randomly(network, published)
    return published.random
  if weights == IMAGENET:
    _copy_downloaded(network, published)
    _turn_channels_round(network, published)
    return published.pixels
  path = _existing(weights)
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # Of internals of Keras; what does not fit raises.
      if path.suffix == '.keras':
        return _copy_from_model(network, path, published)
      network.load_weights(str(path))
  except errors.ConfigError:
    raise
  except Exception as error:  # h5py and Keras raise a dozen kinds for files of another layout.
    raise _misfit(path, published, str(error)) from error
  _turn_channels_round(network, published)
  return published.pixels


def _fill_randomly(network: keras.Model, published: Published) -> None:
  """Draws VGG16's kernels as He et al. (2015) do for ReLU; biases are zero.

  Keras draws them as Glorot does, which halves the variance at every ReLU: 13 layers later
  activations are 90 times too small, and training from scratch stays on its plateau. The other
  networks normalise what comes out.
  """
  if published is not VGG16:
    return
  draw = keras.initializers.HeNormal()
  for layer in network.layers:
    if isinstance(layer, keras.layers.Conv2D):
      layer.kernel.assign(draw.clone()(layer.kernel.shape, dtype=layer.kernel.dtype))


def _copy_downloaded(network: keras.Model, published: Published) -> None:
  """Copies ImageNet's weights, which Keras downloads at the first use, layer by layer.

  Keras puts a layer more into EfficientNet where it downloads.
  """
  try:
    downloaded = published.make(network.input_shape[1:], weights=IMAGENET)
  except Exception as error:  # Keras raises a plain Exception where there is no network.
    raise errors.ConfigError(
      f'weights=imagenet: Keras could not download the weights ({error}). Fetch '
      f'{published.file} on a machine with network access and give its path: '
      f'--model={published.name}:weights=PATH/{published.file}.'
    ) from error
  _copy_layers(network, _by_name(downloaded.layers))


def _existing(weights: str) -> pathlib.Path:
  path = pathlib.Path(paths.expand(weights))
  if not path.is_file():
    raise errors.ConfigError(
      f'weights={weights}: there is no such file. Write none, imagenet, or the path of a '
      f'{" or ".join(_SUFFIXES)} file.'
    )
  if path.suffix not in _SUFFIXES:
    raise errors.ConfigError(
      f'weights={weights}: expected a file whose name ends in {" or ".join(_SUFFIXES)}, '
      f'got {path.suffix or "no ending"!r}.'
    )
  return path


def _copy_from_model(network: keras.Model, path: pathlib.Path, published: Published) -> Pixels:
  """Copies the layers of the same names out of a whole saved model, nested or not."""
  saved = keras.models.load_model(path, compile=False)
  layers = saved._flatten_layers(include_self=False)
  by_name = _by_name(layers)
  whole = by_name.get(published.name)  # In front of it stand layers of ours, some of like names.
  inside = _by_name(whole.layers) if isinstance(whole, keras.Model) else {}
  missing = _copy_layers(network, inside or by_name)
  if missing:
    raise _misfit(path, published, f'it has no layer {missing!r}')
  scale = by_name.get(SCALE_LAYER)
  if isinstance(scale, keras.layers.Rescaling):
    # A single number in a run of before there was an offset.
    offset = scale.offset if isinstance(scale.offset, list) else [scale.offset] * 3
    return Pixels(tuple(np.broadcast_to(scale.scale, 3).tolist()), tuple(offset))
  _turn_channels_round(network, published)
  return published.pixels


def _copy_layers(network: keras.Model, by_name: Mapping[str, Any]) -> str:
  """Copies the weights of layers by their names; returns the first that there is none of."""
  wanted = _by_name([layer for layer in network.layers if layer.weights])
  missing = [name for name in wanted if name not in by_name]
  if missing:
    return missing[0]
  for name, layer in wanted.items():
    layer.set_weights(by_name[name].get_weights())
    if isinstance(layer, keras.layers.Normalization):
      layer.finalize_state()  # It computes with what it made of its weights.
  return ''


def _by_name(layers: Sequence[keras.layers.Layer]) -> dict[str, keras.layers.Layer]:
  """Returns layers by their names; EfficientNet's normalisation has another every time."""
  return {
    'normalization' if isinstance(layer, keras.layers.Normalization) else layer.name: layer
    for layer in layers
  }


def _turn_channels_round(network: keras.Model, published: Published) -> None:
  """Lets a network that wants blue, green, red take red, green, blue."""
  if published.first:
    kernel = network.get_layer(published.first).kernel  # [height, width, channels, filters]
    kernel.assign(kernel.numpy()[:, :, ::-1])


def _misfit(path: pathlib.Path, published: Published, reason: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'weights={path}: expected the weights of {published.network} without its top (such as '
    f'{published.file}), but this file is another or damaged ({" ".join(reason.split())}).'
  )
