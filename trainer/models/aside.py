"""A model made aside of the one that is at work, of which nothing stays."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

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
