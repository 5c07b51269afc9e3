"""A model taken apart: its trunk, the trunk's blocks, and the head."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schemas import errors
from trainer.lazy import keras
from trainer.models import front_end

TRUNK = 'trunk'  # Of the layer that is the trunk, a model by itself.

# The names of the blocks of our trunks and of those of keras.applications.
_BLOCK = re.compile(r'(?:block|conv|expanded_conv_)(\d+)')


def trunk(model: keras.Model) -> keras.Model | None:
  """Returns the trunk of a model, normalisation inside; None of one that was made without.

  It takes what the network takes (values, or values and the rows of each clip), and gives values
  [batch, rows, ...] and with them their number where clips have their own, or [batch, units].
  """
  network = front_end.parts(model)[1]
  return next((layer for layer in network.layers if layer.name == TRUNK), None)


def blocks(trunk_model: keras.Model) -> list[list[keras.layers.Layer]]:
  """Returns the trunk's layers with weights by block, from the input up.

  A layer whose name has no block's number belongs to the block in front of it, or to the first.
  """
  found: list[list[keras.layers.Layer]] = []
  last = ''
  for layer in weighted_layers(trunk_model):
    match = _block_of(layer)
    if not found or (match and last and match.group() != last):
      found.append([])
    last = match.group() if match else last
    found[-1].append(layer)
  return found


def lowest_blocks(network: keras.Model, count: int) -> keras.Model:
  """Returns what the lowest `count` blocks of a network compute, as a model of the same name.

  Raises:
    ConfigError: if it has fewer.
  """
  numbers = list(dict.fromkeys(m.group() for m in map(_block_of, network.layers) if m))
  if count > len(numbers):
    raise errors.ConfigError(
      f'blocks={count}: {network.name} has {len(numbers)} blocks. Write a smaller number, or 0 for '
      'all of them.'
    )
  if count == len(numbers):
    return network
  behind = next(i for i, layer in enumerate(network.layers) if _names_block(layer, numbers[count]))
  return keras.Model(network.input, network.layers[behind - 1].output, name=network.name)


def _block_of(layer: keras.layers.Layer) -> re.Match[str] | None:
  return _BLOCK.match(layer.name)


def _names_block(layer: keras.layers.Layer, block: str) -> bool:
  match = _block_of(layer)
  return match is not None and match.group() == block


def weighted_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
  """Yields the layers that hold trained weights, those of models inside it in place of these."""
  for layer in leaves(model):
    if layer.weights and not isinstance(layer, keras.layers.Normalization):
      yield layer


def for_any_device(model: keras.Model) -> keras.Model:
  """Returns the same model, whose graphs run on processors too, wherever they are written.

  Where Keras sees a GPU it writes recurrent layers as cuDNN's operations, which nothing else has.
  """
  for layer in model._flatten_layers():
    if hasattr(layer, 'use_cudnn'):
      layer.use_cudnn = False
  return model


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
  """Yields the layers of a model, those of models inside it in place of these."""
  for layer in model.layers:
    if isinstance(layer, keras.Model):
      yield from leaves(layer)
    else:
      yield layer
