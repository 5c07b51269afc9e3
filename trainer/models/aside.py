"""A model made or traced aside of the one that is at work, of which nothing stays."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from trainer.lazy import keras, tf

_Made = TypeVar('_Made')


def apart(function: Callable[[], _Made]) -> _Made:
  """Returns what a function gives in a thread of its own, by which Keras keeps names and scopes.

  Python's random numbers, from which Keras seeds layers, go on as if it had drawn none.
  """
  made: list[_Made] = []
  failed: list[BaseException] = []

  def call() -> None:
    try:
      made.append(function())
    except BaseException as error:
      failed.append(error)

  state = random.getstate()
  thread = threading.Thread(target=call, name='footprint')
  thread.start()
  thread.join()
  random.setstate(state)
  if failed:
    raise failed[0]
  return made[0]


def signature(network: keras.Model, *, num_rows: int) -> list[list[Any]]:
  """Returns what a graph takes that is traced of a model without running it, on one example.

  Args:
    network: With weights or without.
    num_rows: Of the clip, where each has a length of its own.

  Returns:
    TensorSpecs: of the inputs, of the trained weights and of the others, as stateless_call wants
    them.
  """
  weights = (network.trainable_variables, network.non_trainable_variables)
  return [
    [
      tf.TensorSpec([1, *(size or num_rows for size in source.shape[1:])], source.dtype)
      for source in network.inputs
    ],
    *([tf.TensorSpec(one.shape, one.dtype) for one in some] for some in weights),
  ]
