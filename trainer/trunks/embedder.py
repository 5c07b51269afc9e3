"""What a trunk makes of clips: an embedding of each, or one of each of its frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from schemas import errors, record
from trainer.models import anatomy, clip_rows, front_end
from trainer.trunks import weights

NAME = 'embedding'  # Of the feature.


class Embedder:
  """A frozen trunk on some devices.

  Where a trunk gives rows with bins, an embedding is the mean over bins; and unless one is wanted
  of each frame, the mean over the rows that are a clip's own.
  """

  def __init__(
    self, model: keras.Model, strategy: tf.distribute.Strategy, *, per_frame: bool
  ) -> None:
    """Takes a model that was made in strategy.scope().

    Raises:
      ConfigError: if it has no trunk, or one that sums frames up where one of each is wanted.
    """
    self._front = front_end.parts(model)[0]
    trunk = anatomy.trunk(model)
    if trunk is None:
      raise errors.ConfigError(
        f'The model {model.name!r} has no trunk of its own: it was made by an older version of '
        'this program. Train it again.'
      )
    self._trunk = trunk
    self._strategy = strategy
    self._per_frame = per_frame
    self._is_variable = len(model.inputs) > 1
    first = clip_rows.of(trunk.outputs).values
    self._gives_rows = len(first.shape) > 2
    if per_frame and not self._gives_rows:
      raise errors.ConfigError(
        f'--per_frame: the trunk of {model.name!r} sums up all frames of a clip to one embedding. '
        'Leave --per_frame away, or take a model whose trunk gives frames, such as vgg16.'
      )
    units = int(first.shape[-1])
    self.shape: tuple[int | None, ...] = (units,)
    if per_frame:
      self.shape = (None if self._is_variable else int(first.shape[1]), units)
    self._compiled = tf.function(
      lambda given: strategy.run(self._run, args=(given,)), reduce_retracing=True
    )

  def __call__(self, clips: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Returns the embedding of each clip, float32 [units], or [rows, units] of its own rows.

    Args:
      clips: What the model takes of each, [rows, ...]; of one length unless it takes any.
    """
    count = self._strategy.num_replicas_in_sync
    size = -(-len(clips) // count)
    # Every device gets as many; those that are made up are left out again.
    padded = [*clips, *[clips[-1]] * (size * count - len(clips))]
    lengths = np.array([len(clip) for clip in padded], np.int32)
    values = np.zeros((len(padded), lengths.max(), *clips[0].shape[1:]), np.float32)
    for row, clip in zip(values, padded, strict=True):
      row[: len(clip)] = clip
    arrays = [values, lengths] if self._is_variable else [values]

    def part(context: Any) -> list[tf.Tensor]:
      first = context.replica_id_in_sync_group * size
      return [tf.constant(array[first : first + size]) for array in arrays]

    given = self._strategy.experimental_distribute_values_from_function(part)
    found = self._compiled(given)
    embedded, num_rows = (
      np.concatenate([x.numpy() for x in self._strategy.experimental_local_results(one)])
      for one in found
    )
    taken = embedded[: len(clips)]
    if not self._per_frame:
      return list(taken)
    return [row[:count] for row, count in zip(taken, num_rows, strict=False)]

  def _run(self, inputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    given = inputs if self._is_variable else inputs[0]
    if self._front is not None:
      given = self._front(given, training=False)
    x = clip_rows.of(self._trunk(given, training=False))
    if x.rank == 4:
      x = x.through(lambda values: keras.ops.mean(keras.ops.cast(values, 'float32'), axis=2))
    if self._gives_rows and not self._per_frame:
      x = clip_rows.mean(x)
    shape = tf.shape(x.values)
    every = shape[1] if self._per_frame else 1
    num_rows = tf.fill([shape[0]], every) if x.num_rows is None else x.num_rows
    return tf.cast(x.values, tf.float32), num_rows


def digest(model: keras.Model) -> str:
  """Returns the SHA-256 of all that a trunk has learned, hexadecimal: the same for the same trunk.

  That of the file would not do: two files of one model differ in their dates.
  """
  trunk = anatomy.trunk(model)
  found = hashlib.sha256()
  for layer in anatomy.leaves(trunk) if trunk is not None else ():
    found.update(f'{type(layer).__name__} {weights.constants(layer)}\n'.encode())
    for array in layer.get_weights():
      found.update(
        f'{array.dtype} {array.shape}\n'.encode() + np.ascontiguousarray(array).tobytes()
      )
  return found.hexdigest()


def spec(
  shape: tuple[int | None, ...], dtype: str, *, trunk: str, model: str
) -> record.FeatureSpec:
  """Returns what the feature is.

  Args:
    shape: Of an embedding.
    dtype: As which it is stored.
    trunk: The digest.
    model: Such as `cnn:filters=64`.
  """
  settings = {'trunk': trunk, 'model': model, 'per_frame': len(shape) > 1}
  return record.FeatureSpec(name=NAME, shape=shape, dtype=dtype, settings=settings)
