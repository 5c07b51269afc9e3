"""Where the workers of a training meet before TensorFlow connects them. Imports no TensorFlow.

TensorFlow waits for all of them without a word, also for one that refused its flags or its data and
is gone. So they meet first, at the address that the chief has in TF_CONFIG anyway: the chief hears
of each that it is there and what it means, or why it refuses, and says to all how it goes on. Lines
of JSON, there and back.

None goes on alone. The chief says every tick who is awaited, which each answers, and `start` only
when all have answered since the last of them came. Each says that it begins, and the chief waits
for that: whoever had left just then, or lost its connection, comes again and is told again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas import errors
from trainer.devices import agreement
from trainer.devices.strategies import multi_worker

# Seconds between two lines on who is still missing.
WAIT_LINE_S = 30.0
# So long who refuses waits for others, to tell them.
TELL_S = 30.0
# So long an address may still be taken by who was there before.
_FREE_S = 10.0
_TICK_S = 0.5
# A peer that says nothing for so long is gone; the chief says something every tick.
_SILENT_S = 5.0
_MOST_BYTES = 1 << 20
_SHOWN = 8


def hold(task: multi_worker.Task, start: str, meant: Mapping[str, Any]) -> str:
  """Waits until all workers are there and mean the same; returns how the run begins.

  Args:
    task: Which of them this is.
    start: What this worker takes for the beginning; that of the chief holds.
    meant: What must be the same everywhere, by the name that is said where it is not.

  Raises:
    ConfigError: if one refuses or means another thing; all raise it, with who and why.
  """
  if len(task.addresses) == 1:
    return start
  message = {'index': task.index, 'start': start, 'meant': meant}
  if task.index:
    return _attend(task, message)
  return _Host(task, message).gather()


@contextlib.contextmanager
def refusals_told(is_shared: bool) -> Iterator[None]:
  """Tells the other workers where the block refuses, so that none waits for this one.

  Args:
    is_shared: Whether there are any; else nothing is done.
  """
  try:
    yield
  except errors.VoxshardError as error:
    if is_shared:
      with contextlib.suppress(errors.VoxshardError, OSError):
        _tell(multi_worker.task(os.environ), str(error))
    raise


def _tell(task: multi_worker.Task, why: str) -> None:
  if len(task.addresses) == 1:
    return
  said = f'{why}\nThis worker refuses, and tells the others so (up to {TELL_S:.0f} s).'
  print(said, file=sys.stderr, flush=True)
  if task.index:
    with contextlib.suppress(errors.ConfigError):  # That is what it told.
      _attend(task, {'index': task.index, 'refused': why}, limit_s=TELL_S)
  else:
    _Host(task, {'index': 0, 'refused': why}).refuse(agreement.refused(0, why))


class _Host:
  """The chief's side."""

  def __init__(self, task: multi_worker.Task, message: Mapping[str, Any]) -> None:
    self._task = task
    self._mine = json.loads(json.dumps(message))  # JSON has lists for tuples.
    self._buffers: dict[socket.socket, bytes] = {}
    self._present: dict[int, socket.socket] = {}
    self._tick, self._next_s = 0, 0.0
    self._said: Sequence[int] = ()
    self._full_since = 0  # The tick at which the last came; 0 as long as one is not there.
    self._heard: dict[int, int] = {}  # The last tick that a worker has answered.
    self._started: set[socket.socket] = set()
    self._begun: set[int] = set()
    self._told: set[int] = set()
    self._listener = _listen(task.addresses[0])
    self._lines = _Lines()

  def gather(self) -> str:
    """Returns how the run begins, as soon as all others begin."""
    try:
      while len(self._begun) < len(self._task.addresses) - 1:
        refusal = self._listen_once()
        if refusal:
          self.refuse(refusal)
          raise errors.ConfigError(refusal)
        missing = self._missing()
        if missing:
          self._lines.say(missing, self._task.addresses)
        self._speak(missing)
      self._see_off()
      return str(self._mine['start'])
    finally:
      self._close()

  def refuse(self, why: str) -> None:
    """Says it to all, also to those that come within TELL_S."""
    ends_s = time.monotonic() + TELL_S
    try:
      while time.monotonic() < ends_s:
        for index, connection in self._present.items():
          if index not in self._told and _send(connection, {'refused': why}):
            self._told.add(index)
        if len(self._told | self._begun) == len(self._task.addresses) - 1:
          break
        self._listen_once()
      self._see_off()
    finally:
      self._close()

  def _missing(self) -> list[int]:
    """Returns who is not there, or has not answered since all are; at the end who has not begun."""
    others = range(1, len(self._task.addresses))
    if self._begun:
      return [i for i in others if i not in self._begun]
    away = [i for i in others if i not in self._present]
    self._full_since = 0 if away else self._full_since or self._tick + 1
    return away or [i for i in others if self._heard.get(i, 0) < self._full_since]

  def _speak(self, missing: Sequence[int]) -> None:
    """Tells all who is awaited, every tick and when it is another; or to start if nobody is."""
    if missing == self._said and time.monotonic() < self._next_s:
      return
    self._said, self._next_s = missing, time.monotonic() + _TICK_S
    self._tick += 1
    # Where one has begun all were there.
    is_time = not missing or bool(self._begun)
    for index, connection in self._present.items():
      if index in self._begun or connection in self._started:
        continue
      if is_time:
        self._started.add(connection)
        _send(connection, {'start': self._mine['start']})
      else:
        _send(connection, {'waiting': missing, 'tick': self._tick})

  def _listen_once(self) -> str:
    """Takes what comes within a tick; returns why not to train, if that was among it."""
    ready, _, _ = select.select([self._listener, *self._buffers], [], [], _TICK_S)
    found = ''
    for one in ready:
      if one is self._listener:
        connection, _ = one.accept()
        connection.settimeout(_SILENT_S)
        self._buffers[connection] = b''
      elif one in self._buffers:  # Another may have taken its place.
        found = self._hear(one) or found
    return found

  def _hear(self, connection: socket.socket) -> str:
    data = b''
    with contextlib.suppress(OSError):
      data = connection.recv(_MOST_BYTES)
    *lines, rest = (self._buffers[connection] + data).split(b'\n')
    self._buffers[connection] = rest
    found = ''
    for message in map(_parsed, lines):
      index = message.get('index')
      if not (type(index) is int and 0 < index < len(self._task.addresses)):
        self._forget(connection)  # It is none of ours.
        return found
      found = self._understand(connection, index, message) or found
    if not data or len(rest) > _MOST_BYTES:
      self._forget(connection)  # It is gone and may come again.
    return found

  def _understand(self, connection: socket.socket, index: int, message: Mapping[str, Any]) -> str:
    """Notes what a worker says; returns why not to train, if that is it."""
    if 'begins' in message:
      if self._present.get(index) is connection:
        self._begun.add(index)
      return ''
    if 'heard' in message:
      if self._present.get(index) is connection and type(message['heard']) is int:
        self._heard[index] = message['heard']
      return ''
    self._welcome(connection, index)
    if 'refused' in message:
      return agreement.refused(index, str(message['refused']))
    meant, theirs = self._mine.get('meant', {}), message.get('meant')
    return agreement.difference(meant, theirs, index) if isinstance(theirs, dict) else ''

  def _welcome(self, connection: socket.socket, index: int) -> None:
    """Takes a worker; of two that say the same number the later, which the earlier is told."""
    earlier = self._present.get(index)
    if earlier not in (None, connection):
      _send(earlier, {'refused': _replaced(index)})
      self._forget(earlier)
    self._present[index] = connection
    self._heard.pop(index, None)
    self._begun.discard(index)  # It was started again.

  def _forget(self, connection: socket.socket) -> None:
    self._buffers.pop(connection, None)
    self._started.discard(connection)
    connection.close()
    self._present = {i: one for i, one in self._present.items() if one is not connection}

  def _see_off(self) -> None:
    """Lets the others close first, so that the port is free at once for TensorFlow."""
    ends_s = time.monotonic() + _SILENT_S
    while self._present and time.monotonic() < ends_s:
      self._listen_once()

  def _close(self) -> None:
    for connection in list(self._buffers):
      self._forget(connection)
    self._listener.close()


def _replaced(index: int) -> str:
  return (
    f'Another process came to worker 0 as worker {index} of this training, and takes the place of '
    'this one. Give each worker an index of its own in TF_CONFIG; a process of an earlier attempt '
    'has nothing more to do.'
  )


class _Lines:
  """Says now and then whom this worker waits for."""

  def __init__(self) -> None:
    self._next_s = time.monotonic() + WAIT_LINE_S

  def say(self, missing: Sequence[int], addresses: Sequence[str], more: str = '') -> None:
    if time.monotonic() < self._next_s:
      return
    self._next_s = time.monotonic() + WAIT_LINE_S
    shown = ', '.join(f'{i} ({addresses[i]})' for i in missing[:_SHOWN])
    rest = f' and {len(missing) - _SHOWN} more' if len(missing) > _SHOWN else ''
    word = 'worker' if len(missing) == 1 else 'workers'
    print(f'waiting for {word} {shown}{rest}, of {len(addresses)}{more}', flush=True)


def _attend(
  task: multi_worker.Task, message: Mapping[str, Any], *, limit_s: float | None = None
) -> str:
  """Goes to the chief, over and over, until it says how it goes on.

  Args:
    task: Which worker this is.
    message: What it says.
    limit_s: So long the chief is looked for; None: without end.
  """
  lines, ends_s = _Lines(), time.monotonic() + limit_s if limit_s is not None else None
  missing, more = [0], ''
  while ends_s is None or time.monotonic() < ends_s:
    lines.say(missing, task.addresses, more)
    is_chief: bool | None = None  # Nobody listens.
    try:
      with _connected(task.addresses[0]) as connection:
        is_chief = False
        _send(connection, message)
        for answer in _answers(connection):
          if 'start' in answer:
            if _send(connection, {'index': task.index, 'begins': True}):
              return str(answer['start'])
            break
          if 'refused' in answer:
            raise errors.ConfigError(str(answer['refused']))
          is_chief = _is_indexes(answer.get('waiting'), task)
          if not is_chief:
            break
          _send(connection, {'index': task.index, 'heard': answer.get('tick')})
          lines.say(answer['waiting'], task.addresses)
    except OSError:
      pass  # It is not there yet, or went away and may come again.
    missing, more = [0], _OTHER if is_chief is False else ''
    time.sleep(_TICK_S)
  return ''


_OTHER = '; something else answers there: a training that was not ended?'


def _answers(connection: socket.socket) -> Iterator[dict[str, Any]]:
  """Yields the lines of the chief until it is gone; an empty one for what is no line of ours."""
  with connection.makefile('rb') as stream:
    while line := stream.readline(_MOST_BYTES):
      yield _parsed(line)


def _parsed(line: bytes) -> dict[str, Any]:
  try:
    found = json.loads(line)
  except (ValueError, RecursionError):
    return {}
  return found if isinstance(found, dict) else {}


def _is_indexes(found: Any, task: multi_worker.Task) -> bool:
  known = range(len(task.addresses))
  return isinstance(found, list) and bool(found) and all(i in known for i in found)


def _send(connection: socket.socket, message: Mapping[str, Any]) -> bool:
  """Sends a line; returns whether the other end was still there."""
  try:
    connection.sendall(json.dumps(message).encode() + b'\n')
  except OSError:
    return False
  return True


def _connected(address: str) -> socket.socket:
  host, port = _parts(address)
  return socket.create_connection((host, port), timeout=_SILENT_S)


def _listen(address: str) -> socket.socket:
  """Returns a socket that listens at the port of an address, on all of this machine's.

  Raises:
    ConfigError: if the port is taken.
  """
  _, port = _parts(address)
  ends_s = time.monotonic() + _FREE_S
  while True:
    try:
      if socket.has_dualstack_ipv6():
        return socket.create_server(('', port), family=socket.AF_INET6, dualstack_ipv6=True)
      return socket.create_server(('', port))
    except OSError as error:
      if error.errno != errno.EADDRINUSE or time.monotonic() > ends_s:
        raise errors.ConfigError(
          f'Worker 0 cannot listen at {address} of TF_CONFIG: {error.strerror or error}. Is '
          'another training running there? End it, or name another port on all workers.'
        ) from error
    time.sleep(_TICK_S)


def _parts(address: str) -> tuple[str, int]:
  host, _, port = address.rpartition(':')
  return host.strip('[]'), int(port)
