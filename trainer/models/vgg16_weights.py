"""Fills VGG16's trunk: with random numbers, with ImageNet's weights, or from a file.

ImageNet's weights want blue, green, red; pictures here are red, green, blue. So the first
convolution's input channels are turned round. Weights of another run have the order of pictures.
"""

from __future__ import annotations

import pathlib
import warnings

from schemas import errors
from tfrecords import paths
from trainer.lazy import keras

NONE = 'none'
IMAGENET = 'imagenet'
UNFILLED = 'unfilled'  # Of a model that is only measured.
SCALE_LAYER = 'input_scale'
IMAGENET_FILE = 'vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5'
_SUFFIXES = ('.keras', '.h5')


def fill(trunk: keras.Model, weights: str, *, pixel_scale: float) -> float:
  """Sets all weights of `trunk` and returns the deviation of the inputs they were trained on.

  Args:
    trunk: `keras.applications.VGG16(include_top=False)`.
    weights: `none`, `imagenet` or the path of a file.
    pixel_scale: The deviation of the pixels behind ImageNet's weights.

  Raises:
    ConfigError: if the weights are missing or of another network.
  """
  if weights == UNFILLED:
    return 1.0
  if weights == NONE:
    _fill_randomly(trunk)
    return 1.0
  if weights == IMAGENET:
    trunk.set_weights(_download(trunk.input_shape[1:]).get_weights())
    _turn_channels_round(trunk)
    return pixel_scale
  path = _existing(weights)
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # Of internals of Keras; what does not fit raises.
      if path.suffix == '.keras':
        return _copy_from_model(trunk, path, pixel_scale=pixel_scale)
      trunk.load_weights(str(path))
  except errors.ConfigError:
    raise
  except Exception as error:  # h5py and Keras raise a dozen kinds for files of another layout.
    raise _misfit(path, str(error)) from error
  _turn_channels_round(trunk)
  return pixel_scale


def _fill_randomly(trunk: keras.Model) -> None:
  """Draws the kernels as He et al. (2015) do for ReLU; biases are zero.

  Keras draws them as Glorot does, which halves the variance at every ReLU: 13 layers later
  activations are 90 times too small, and training from scratch stays on its plateau.
  """
  draw = keras.initializers.HeNormal()
  for layer in trunk.layers:
    if isinstance(layer, keras.layers.Conv2D):
      layer.kernel.assign(draw.clone()(layer.kernel.shape, dtype=layer.kernel.dtype))


def _download(input_shape: tuple[int, int, int]) -> keras.Model:
  """Returns the trunk with ImageNet's weights, which Keras downloads at the first use."""
  try:
    return keras.applications.VGG16(include_top=False, weights='imagenet', input_shape=input_shape)
  except Exception as error:  # Keras raises a plain Exception where there is no network.
    raise errors.ConfigError(
      f'weights=imagenet: Keras could not download the weights ({error}). Fetch '
      f'{IMAGENET_FILE} on a machine with network access and give its path: '
      f'--model=vgg16:weights=PATH/{IMAGENET_FILE}.'
    ) from error


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


def _copy_from_model(trunk: keras.Model, path: pathlib.Path, *, pixel_scale: float) -> float:
  """Copies the layers of the same names out of a whole saved model, nested or not."""
  saved = keras.models.load_model(path, compile=False)
  by_name = {layer.name: layer for layer in saved._flatten_layers(include_self=False)}
  wanted = [layer for layer in trunk.layers if layer.weights]
  missing = [layer.name for layer in wanted if layer.name not in by_name]
  if missing:
    raise _misfit(path, f'it has no layer {missing[0]!r}')
  for layer in wanted:
    layer.set_weights(by_name[layer.name].get_weights())
  scale = by_name.get(SCALE_LAYER)
  if isinstance(scale, keras.layers.Rescaling):
    return float(scale.scale)
  _turn_channels_round(trunk)
  return pixel_scale


def _turn_channels_round(trunk: keras.Model) -> None:
  """Lets a trunk that wants blue, green, red take red, green, blue."""
  kernel = trunk.get_layer('block1_conv1').kernel  # [3, 3, channels, filters]
  kernel.assign(kernel.numpy()[:, :, ::-1])


def _misfit(path: pathlib.Path, reason: str) -> errors.ConfigError:
  return errors.ConfigError(
    f'weights={path}: expected the weights of VGG16 without its top (such as {IMAGENET_FILE}), '
    f'but this file is another or damaged ({" ".join(reason.split())}).'
  )
