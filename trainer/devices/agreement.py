"""Sees to it that all workers of a training mean the same, and refuse together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from schemas import errors

if TYPE_CHECKING:
  from trainer.devices import workers as workers_lib

_Made = TypeVar('_Made')


def difference(meant: Mapping[str, Any], theirs: Mapping[str, Any], index: int) -> str:
  """Returns in what another worker differs from the chief, as sentences; '' where it does not.

  Args:
    meant: What must be the same everywhere, by the name that is said where it is not.
    theirs: The same of the other.
    index: Which worker that is.
  """
  meant, theirs = json.loads(json.dumps([meant, theirs]))  # JSON has lists for tuples.
  others = [
    f'{name} is {theirs.get(name)!r} there and {meant.get(name)!r} at worker 0'
    for name in sorted({**meant, **theirs})
    if theirs.get(name) != meant.get(name)
  ]
  if not others:
    return ''
  return (
    f'Worker {index} was given another training: {"; ".join(others)}. Give all workers the same '
    'flags and data.'
  )


def together(make: Callable[[], _Made], workers: workers_lib.Workers) -> _Made:
  """Returns what each worker makes for itself; where one refuses all do, with its words.

  Raises:
    ConfigError: in all but the one that refuses, whose own error is raised.
  """
  if workers.count == 1:
    return make()
  made, refusal = None, None
  try:
    made = make()
  except errors.VoxshardError as error:
    refusal = error
  is_mine = [bool(refusal) and index == workers.index for index in range(workers.count)]
  refusing = [index for index, number in enumerate(workers.total(is_mine)) if number]
  if not refusing:
    return cast(_Made, made)
  said = workers.from_worker(refusing[0], str(refusal).encode() if refusal else None)
  raise refusal or errors.ConfigError(refused(refusing[0], said.decode()))


def made_by_chief(make: Callable[[], bytes], workers: workers_lib.Workers) -> bytes:
  """Returns what the chief makes; where it refuses all do, with its words."""
  return workers.from_chief(together(lambda: make() if workers.is_chief else None, workers))


def refused(index: int, why: str) -> str:
  """Returns what the others say of a worker that refuses."""
  return f'Worker {index} refuses, so none trains. It says: {why}'
