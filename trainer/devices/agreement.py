"""Sees to it that all workers of a training mean the same, and refuse together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from schemas import errors

if TYPE_CHECKING:
  from trainer.devices import workers as workers_lib


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


def made_by_chief(make: Callable[[], bytes], workers: workers_lib.Workers) -> bytes:
  """Returns what the chief makes; all workers ask.

  Raises:
    ConfigError: where the chief refuses, on all workers, with its words.
  """
  refusal: errors.VoxshardError | None = None
  message = b''
  if workers.is_chief:
    try:
      message = make() + b'+'
    except errors.VoxshardError as error:
      if workers.count == 1:
        raise
      refusal, message = error, str(error).encode() + b'-'
  message = workers.from_chief(message if workers.is_chief else None)
  if message.endswith(b'-'):
    said = message[:-1].decode()
    raise refusal or errors.ConfigError(f'Worker 0 refuses, so none trains. It says: {said}')
  return message[:-1]
