"""Messages between a program and the processes that decode for it: JSON, and bytes behind it.

Nothing is pickled: who has taken over a decoder by a file cannot make the program run anything.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = struct.Struct('<IQ')  # Bytes of JSON, and of what is behind it.
_MOST_JSON_BYTES = 64 << 20
# What is smaller is put together for one call of the system, and taken by one: 96 KiB, of which
# memory is not fetched from the system each time.
_SMALL_BYTES = 96 << 10
_STEP_BYTES = 1 << 22

# What goes behind the JSON: bytes, or arrays.
Content = bytes | bytearray | memoryview


class LateError(Exception):
  """The other side did not take, or give, a message in time."""


def send(sock: socket.socket, said: Mapping[str, Any], content: Sequence[Content] = ()) -> None:
  """Sends a message.

  Args:
    sock: To whom; its timeout is how long nothing may be taken.
    said: Plain JSON.
    content: What goes with it, joined.

  Raises:
    LateError: if it is not taken in time.
    OSError: if the other side is gone.
  """
  text = json.dumps(said).encode('ascii')
  num_bytes = sum(len(part) for part in content)
  parts: list[Content] = [_HEAD.pack(len(text), num_bytes), text, *content]
  if num_bytes < _SMALL_BYTES:
    parts = [b''.join(parts)]
  try:
    for part in parts:
      sock.sendall(part)
  except TimeoutError as error:
    raise LateError from error


def receive(
  sock: socket.socket, *, max_bytes: int, end_s: float = math.inf
) -> tuple[dict[str, Any], memoryview]:
  """Returns the next message: what is said, and what goes with it.

  There is no message behind it yet: each side says something when the other has answered.

  Args:
    sock: From whom; its timeout is how long nothing may come.
    max_bytes: The most that may go with it.
    end_s: When it has to be there, by time.monotonic().

  Raises:
    LateError: if it is not.
    EOFError: if the other side is gone, or says what is no message.
  """
  data = bytearray(_SMALL_BYTES)
  got = _fill(sock, data, 0, wanted=_HEAD.size, end_s=end_s)
  num_text, num_bytes = _HEAD.unpack_from(data)
  if num_text > _MOST_JSON_BYTES or num_bytes > max_bytes:
    raise EOFError
  at = _HEAD.size + num_text
  whole = at + num_bytes
  if whole > len(data):
    # Whatever it claims, no more is taken than has come, but for a step.
    data = data[:got]
    while got < whole:
      data += bytes(min(_STEP_BYTES, whole - got))
      got = _fill(sock, data, got, wanted=len(data), end_s=end_s)
  else:
    got = _fill(sock, data, got, wanted=whole, end_s=end_s)
  try:
    said = json.loads(data[_HEAD.size : at])
  except (ValueError, RecursionError) as error:
    raise EOFError from error
  if got != whole or not isinstance(said, dict):
    raise EOFError
  return said, memoryview(data)[at:whole]


def _fill(sock: socket.socket, data: bytearray, got: int, *, wanted: int, end_s: float) -> int:
  """Receives until so many bytes are there, or more; returns how many."""
  with memoryview(data) as view:
    while got < wanted:
      try:
        more = sock.recv_into(view[got:])
      except TimeoutError as error:
        raise LateError from error
      except OSError as error:
        raise EOFError from error
      if not more:
        raise EOFError
      if time.monotonic() > end_s:
        raise LateError
      got += more
  return got
