"""The processes that decode: one that waits, and those that it forks, each a decoder.

  python -m PROGRAM DESCRIPTOR PARENT_PID

The first is started without TensorFlow, loads the decoders, and then does nothing but fork: so that
a decoder is there in some milliseconds, and shares what is loaded. It opens no file of anybody.

A decoder does one piece of work after the other. It ends itself, by timers and limits of the
kernel, when a piece takes too long or too much memory, also in the middle of a call into C. All end
with the program: at once on Linux, and elsewhere when they are done with what they are at.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import logging
import os
import pathlib
import resource
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tfrecords.resources import lifeline
from trainer.decoders import decoder_wire

# What the program asks of the first process, and what that answers: a number.
ORDER, ANSWER = struct.Struct('<cq'), struct.Struct('<q')
START, END = b's', b'e'
# By these a decoder ends that takes too long, by the clock or of the processor.
TIMERS = (signal.SIGALRM, signal.SIGPROF)

# Libraries that decode; whichever are there are loaded before anybody asks.
_LIBRARIES = ('soundfile', 'soxr', 'av', 'PIL.Image')
# A machine out of memory had better end a decoder than the program.
_OOM_SCORE = 700
_PAGE_BYTES = os.sysconf('SC_PAGE_SIZE')
_MOST_BYTES = 1 << 62


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
  """A part of what a piece of work gives.

  Attributes:
    said: Plain JSON.
    values: float32 or uint8, of any shape; None for none.
  """

  said: Mapping[str, Any]
  values: NDArray[Any] | None = None


# From the settings of a piece of work and its content to what it gives, part by part.
Handler = Callable[[Mapping[str, Any], bytes], Iterator[Sequence[Piece]]]
# From the settings of all to the handlers by their names; called once in each decoder.
Maker = Callable[[Mapping[str, Any]], Mapping[str, Handler]]


def run(make: Maker, arguments: Sequence[str]) -> None:
  """Is the first process: forks decoders until the program that asks for them is gone.

  Args:
    make: Gives what decoders can do.
    arguments: Of the process, as DecoderPool starts it.
  """
  control = _inherited(int(arguments[0]))
  lifeline.end_with_parent(int(arguments[1]), watches=False)
  for number in (signal.SIGINT, signal.SIGTERM):  # They are the program's to hear.
    signal.signal(number, signal.SIG_IGN)
  _silence_libraries()
  for name in _LIBRARIES:
    with contextlib.suppress(ImportError, OSError):
      importlib.import_module(name)
  gc.collect()
  gc.freeze()  # What is shared would be copied by who looks through it.
  decoders: set[int] = set()
  with contextlib.suppress(ConnectionError):  # The program may end at any time.
    control.sendall(ANSWER.pack(os.getpid()))
    while True:
      order, descriptors, *_ = socket.recv_fds(control, ORDER.size, 1)
      if len(order) < ORDER.size:
        break
      kind, number = ORDER.unpack(order)
      answer = _forked(control, descriptors[0], make) if kind == START else _ended(number)
      decoders ^= {answer if kind == START else number}
      control.sendall(ANSWER.pack(answer))
  for pid in decoders:
    with contextlib.suppress(ProcessLookupError):
      os.kill(pid, signal.SIGKILL)


def of_memory(error: BaseException | None) -> bool:
  """Whether want of memory is what an error is about, or came of."""
  while error is not None:
    if isinstance(error, MemoryError):
      return True
    error = error.__cause__ or error.__context__
  return False


def _inherited(descriptor: int) -> socket.socket:
  """Returns a socket that waits for as long as it takes.

  The program's sockets may have a default timeout, which lies in the descriptor too: Beam's client
  of Google Cloud sets one for the whole process.
  """
  found = socket.socket(fileno=descriptor)
  found.setblocking(True)
  return found


def _silence_libraries() -> None:
  """Leaves standard error to tracebacks: libraries say there what they think of each file."""
  logging.disable(logging.WARNING)
  kept = os.dup(2)
  nowhere = os.open(os.devnull, os.O_WRONLY)
  os.dup2(nowhere, 2)
  os.close(nowhere)
  sys.stderr = os.fdopen(kept, 'w', encoding='utf-8', errors='backslashreplace')


def _forked(control: socket.socket, descriptor: int, make: Maker) -> int:
  """Returns the number of a new decoder; below zero, why there is none."""
  parent_pid = os.getpid()
  try:
    pid = os.fork()
  except OSError as error:
    os.close(descriptor)
    return -(error.errno or 1)
  if pid:
    os.close(descriptor)
    return pid
  try:
    control.close()
    lifeline.end_with_parent(parent_pid, watches=False)
    _decode(_inherited(descriptor), make)
  except BaseException:
    traceback.print_exc()
  os._exit(1)


def _ended(pid: int) -> int:
  """Ends a decoder, where it has not ended; returns how it did: minus the signal if by one."""
  os.kill(pid, signal.SIGKILL)  # What has ended keeps its number until it is waited for.
  return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _decode(sock: socket.socket, make: Maker) -> NoReturn:
  """Is a decoder, for as long as somebody asks."""
  with contextlib.suppress(OSError):
    pathlib.Path('/proc/self/oom_score_adj').write_text(str(_OOM_SCORE), encoding='ascii')
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  for number in TIMERS:
    signal.signal(number, signal.SIG_DFL)
  signal.pthread_sigmask(signal.SIG_UNBLOCK, TIMERS)
  try:
    setup, _ = decoder_wire.receive(sock, max_bytes=0)
    decoder = _Decoder(setup, make)
    decoder_wire.send(sock, {})
    while True:
      asked, content = decoder_wire.receive(sock, max_bytes=_MOST_BYTES)
      said, arrays = decoder.answer(asked, content)
      decoder_wire.send(sock, said, arrays)
      if said.get('no_memory'):
        break  # What was half done may lie about.
  except (EOFError, OSError):
    pass  # The program is gone.
  os._exit(0)


class _Decoder:
  """What a decoder is asked, with the limits of each piece of work."""

  def __init__(self, setup: Mapping[str, Any], make: Maker) -> None:
    self._handlers = make(setup['settings'])
    self._max_cpu_s, self._max_wall_s = setup['max_cpu_s'], setup['max_wall_s']
    self._streams: dict[int, Iterator[Sequence[Piece]]] = {}
    _limit_memory(setup['max_memory_bytes'])

  def answer(
    self, asked: Mapping[str, Any], content: memoryview
  ) -> tuple[dict[str, Any], list[decoder_wire.Content]]:
    """Returns what is said of a message, and what goes with it."""
    # By the kernel, in whatever code we are by then; their signals end the process.
    signal.setitimer(signal.ITIMER_REAL, self._max_wall_s)
    signal.setitimer(signal.ITIMER_PROF, self._max_cpu_s)
    try:
      part = self._part(asked, content)
    except MemoryError:
      return {'no_memory': True}, []
    except Exception as error:
      if of_memory(error):
        return {'no_memory': True}, []
      traceback.print_exc()
      return {'failed': type(error).__name__}, []
    finally:
      signal.setitimer(signal.ITIMER_PROF, 0)
      signal.setitimer(signal.ITIMER_REAL, 0)
    if part is None:
      return {'end': True}, []
    pieces = [[piece.said, *_form(piece.values)] for piece in part]
    values = [memoryview(_flat(one.values)) for one in part if one.values is not None]
    return {'pieces': pieces}, list(values)

  def _part(self, asked: Mapping[str, Any], content: memoryview) -> Sequence[Piece] | None:
    """Returns the next part of a piece of work; None behind its end."""
    number = asked.get('stream')
    if 'close' in asked:
      self._streams.pop(asked['close'], None)
      return None
    if number is None:
      return next(self._begun(asked, content), None)
    if 'work' in asked:
      self._streams[number] = stream = self._begun(asked, content)
      for _ in range(asked['skip']):
        next(stream)
    return next(self._streams[number], None)

  def _begun(self, asked: Mapping[str, Any], content: memoryview) -> Iterator[Sequence[Piece]]:
    return self._handlers[asked['work']](asked['settings'], bytes(content))


def _limit_memory(max_bytes: int) -> None:
  """Limits what this process takes from now on, where the system has such a limit."""
  with contextlib.suppress(OSError, ValueError, IndexError):
    pages = int(pathlib.Path('/proc/self/statm').read_text(encoding='ascii').split()[0])
    limit_bytes = pages * _PAGE_BYTES + max_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def _form(values: NDArray[Any] | None) -> list[Any]:
  return [] if values is None else [values.dtype.name, list(values.shape)]


def _flat(values: NDArray[Any]) -> NDArray[np.uint8]:
  return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
