"""A pool of decoders: what a file does to one of them costs that file's request, and no other."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import itertools
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

import numpy as np

from schemas import errors
from tfrecords.resources import cores
from trainer.decoders import decoder_process, decoder_wire

# Where nobody says how many: of more, each has less to do than it takes in memory.
_MOST_DECODERS = 8
# What a decoder gets on top of its own limit before it is ended from outside.
_PATIENCE_S = 5.0
# The first process loads what decodes; a busy machine may take its time.
_START_S = 120.0
_ANSWER_S = 30.0
_CLOSED = 'The decoders have ended with the program.'
# Nothing of what decodes is worth threads, each of which takes room for its stack.
_ENVIRONMENT = {'OPENBLAS_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}


class Cause(enum.Enum):
  """Why a decoder was replaced."""

  CRASHED = 'crashed'
  TOO_SLOW = 'too_slow'
  NO_MEMORY = 'no_memory'


class DecoderLostError(errors.VoxshardError):
  """A piece of work at which a decoder broke; a new one is there.

  Attributes:
    cause: How.
  """

  def __init__(self, cause: Cause, sentence: str) -> None:
    super().__init__(sentence)
    self.cause = cause


class NoDecoderError(errors.VoxshardError):
  """There is no decoder, and none can be started."""


class _DiedError(Exception):
  """A decoder is not there any more."""

  def __init__(self, cause: Cause | None = None) -> None:
    super().__init__()
    self.cause = cause


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
  """What a piece of work may take.

  Attributes:
    cpu_s: Processor time, in seconds.
    wall_s: Time by the clock, in seconds.
    memory_bytes: Memory of a decoder beside what it has when it starts.
  """

  cpu_s: float
  wall_s: float
  memory_bytes: int


def default_count() -> int:
  """Returns how many decoders there are where nobody says."""
  return max(2, min(_MOST_DECODERS, cores.usable()))


class DecoderPool:
  """Some decoders and what they are asked. Its methods may be called in several threads.

  Attributes:
    count: How many decoders there are.
    why_not: Why none could be started when it was last tried; '' where all is well.
  """

  def __init__(
    self,
    program: str,
    *,
    count: int,
    limits: Limits,
    on_loss: Callable[[Cause, str], None] = lambda cause, sentence: None,
  ) -> None:
    """Takes what is needed; `start` begins.

    Args:
      program: The module that calls decoder_process.run.
      count: How many decoders.
      limits: Of each piece of work.
      on_loss: Called when a decoder was replaced, with why and with a sentence for the log.
    """
    self.count = count
    self.why_not = ''
    self._program = program
    self._limits = limits
    self._on_loss = on_loss
    self._settings: Mapping[str, Any] | None = None
    self._slots = [_Slot() for _ in range(count)]
    self._idle = list(self._slots)
    self._changed = threading.Condition()
    self._numbers = itertools.count()
    self._is_closed = False
    self._first_lock = threading.Lock()
    self._first: _First | None = None
    # The system ends a process with the thread that started it: this one is there to the end.
    self._starter = futures.ThreadPoolExecutor(1, 'decoder-starter')

  @property
  def num_alive(self) -> int:
    """How many decoders there are now."""
    return sum(slot.decoder is not None for slot in self._slots)

  def start(self) -> None:
    """Starts the first process, which goes on loading meanwhile.

    Raises:
      NoDecoderError: if the system has no process for it.
    """
    with self._first_lock:
      self._started()

  def set_up(self, settings: Mapping[str, Any]) -> None:
    """Starts the decoders.

    Args:
      settings: Plain JSON: what the program's Maker gets.

    Raises:
      NoDecoderError: if they cannot be started.
    """
    self._settings = settings
    for slot in self._slots:
      with self._lent(slot):
        self._decoder_of(slot)

  def close(self) -> None:
    """Ends all, also what is in work."""
    with self._first_lock:
      self._is_closed = True
      if self._first:
        self._first.close()
    for slot in self._slots:
      if slot.decoder:
        slot.decoder.close()
    self._starter.shutdown()

  def ask(
    self, work: str, settings: Mapping[str, Any], content: bytes = b''
  ) -> Sequence[decoder_process.Piece]:
    """Returns the first part of what a piece of work gives.

    Raises:
      DecoderLostError: if no decoder gets to its end.
      NoDecoderError: if there is none.
    """
    asked = {'work': work, 'settings': settings}
    with self._lent() as slot:
      return self._answer(slot, asked, content) or ()

  def stream(
    self, work: str, settings: Mapping[str, Any], content: bytes = b''
  ) -> Iterator[Sequence[decoder_process.Piece]]:
    """Yields what a piece of work gives, part by part; between them others have their turn.

    Raises:
      DecoderLostError: likewise.
      NoDecoderError: likewise.
    """
    number = next(self._numbers)
    begin = {'work': work, 'settings': settings, 'stream': number}
    at: tuple[_Slot, _Decoder | None] | None = None
    num_done = 0
    try:
      while True:
        with self._lent(at[0] if at else None) as slot:
          if at and slot.decoder is at[1]:
            # Where it dies of this, or died of another's work, all before is decoded again.
            again = {**begin, 'skip': num_done}
            part = self._answer(slot, {'stream': number}, b'', again=(again, content))
          else:
            part = self._answer(slot, {**begin, 'skip': num_done}, content)
          at = slot, slot.decoder
        if part is None:
          return
        num_done += 1
        yield part
    finally:
      if at:
        self._forget(*at, number)

  def mend(self) -> None:
    """Replaces decoders that have ended while nobody asked them anything."""
    for slot in self._slots:
      with self._changed:
        if slot not in self._idle:
          continue
        self._idle.remove(slot)
      try:
        if slot.decoder and slot.decoder.has_ended():
          self._lose(slot, None)
        if slot.decoder is None and self._settings is not None:
          with contextlib.suppress(NoDecoderError):
            self._decoder_of(slot)
      finally:
        self._give_back(slot)

  @contextlib.contextmanager
  def _lent(self, wanted: _Slot | None = None) -> Iterator[_Slot]:
    """Gives a slot for this thread alone: any, or the one that is wanted."""
    with self._changed:
      while wanted not in self._idle if wanted else not self._idle:
        self._changed.wait()
      # The last one that was used: its memory is the warmest.
      slot = wanted or self._idle[-1]
      self._idle.remove(slot)
    try:
      yield slot
    finally:
      self._give_back(slot)

  def _give_back(self, slot: _Slot) -> None:
    with self._changed:
      self._idle.append(slot)
      self._changed.notify_all()

  def _answer(
    self,
    slot: _Slot,
    asked: Mapping[str, Any],
    content: bytes,
    *,
    again: tuple[Mapping[str, Any], bytes] | None = None,
  ) -> list[decoder_process.Piece] | None:
    """Returns the answer of a slot's decoder; None behind the end.

    A decoder that had done other work may break of that: then a new one is asked, and that it is
    of this piece of work is certain when it breaks as well.

    Args:
      slot: It.
      asked: What.
      content: What goes with it.
      again: What a new decoder is asked instead.
    """
    decoder = self._decoder_of(slot)
    if decoder.has_ended():  # While nobody asked it anything.
      self._lose(slot, None)
      return self._answer(slot, *(again or (asked, content)))
    is_new = decoder.num_asked == 0
    try:
      return decoder.ask(asked, content)
    except _DiedError as died:
      cause, sentence = self._lose(slot, died.cause)
      if self._is_closed:
        raise NoDecoderError(_CLOSED) from died
      if cause is Cause.TOO_SLOW or is_new:
        with contextlib.suppress(NoDecoderError):
          self._decoder_of(slot)
        raise DecoderLostError(cause, sentence) from died
    return self._answer(slot, *(again or (asked, content)))

  def _forget(self, slot: _Slot, decoder: _Decoder | None, number: int) -> None:
    with self._lent(slot):
      if decoder and slot.decoder is decoder:
        try:
          decoder.ask({'close': number}, b'')
        except _DiedError as died:
          self._lose(slot, died.cause)

  def _lose(self, slot: _Slot, cause: Cause | None) -> tuple[Cause, str]:
    """Puts a decoder away that is to be replaced; returns why, and a sentence for who asked."""
    decoder = slot.decoder
    slot.decoder = None
    assert decoder
    decoder.close()
    code = self._exit_code(decoder.pid)
    name = signal.Signals(-code).name if code < 0 else f'exit code {code}'
    if cause is None:
      cause = Cause.CRASHED
      if -code in decoder_process.TIMERS:
        cause = Cause.TOO_SLOW
      elif code == -signal.SIGKILL:  # Linux ends so what takes more than the machine has.
        cause = Cause.NO_MEMORY
    if not self._is_closed:
      self._on_loss(cause, f'A decoder ended ({cause.value}, {name}) and is replaced.')
    return cause, self._sentence(cause, name)

  def _sentence(self, cause: Cause, name: str) -> str:
    limits = self._limits
    if cause is Cause.TOO_SLOW:
      return (
        f'Wanted the file decoded in {limits.cpu_s:g} s of processor time and {limits.wall_s:g} s '
        'by the clock, got no end: its decoder was stopped.'
      )
    if cause is Cause.NO_MEMORY:
      return (
        f'Wanted a file that is decoded in {limits.memory_bytes >> 20:,} MiB, got one that takes '
        'more. Send a shorter one, or convert it to WAV or FLAC.'
      )
    return (
      f'Wanted a file that can be decoded, got one at which the decoder itself breaks ({name}). '
      'Convert it to WAV or FLAC.'
    )

  def _decoder_of(self, slot: _Slot) -> _Decoder:
    """Returns the decoder of a slot that is lent, a new one where there is none.

    Raises:
      NoDecoderError: if none can be started.
    """
    if slot.decoder is None:
      try:
        slot.decoder = self._new_decoder()
      except NoDecoderError as error:
        self.why_not = str(error)
        raise
      self.why_not = ''
    return slot.decoder

  def _new_decoder(self) -> _Decoder:
    assert self._settings is not None
    try:
      ours, theirs = socket.socketpair()
    except OSError as error:  # Of descriptors there are none left.
      raise NoDecoderError(f'No decoder can be started: {error.strerror}.') from error
    try:
      with theirs:
        pid = self._order(decoder_process.START, theirs.fileno())
      decoder = _Decoder(ours, pid, self._limits)
      decoder.set_up(self._settings)
    except (_DiedError, OSError) as error:
      ours.close()
      raise NoDecoderError(f'No decoder can be started: {error or "it ended at once"}.') from error
    except BaseException:
      ours.close()
      raise
    return decoder

  def _exit_code(self, pid: int) -> int:
    """Returns how a decoder ended, which is ended by force if it has not; 0 where nobody knows."""
    with self._first_lock:
      if self._first is None or pid not in self._first.pids or self._is_closed:
        return 0
      try:
        self._first.pids.discard(pid)
        return self._first.order(decoder_process.END, pid)
      except (EOFError, OSError):
        self._drop_first()
        return 0

  def _order(self, kind: bytes, descriptor: int) -> int:
    """Returns the number of the decoder that the first process starts on a descriptor.

    Raises:
      NoDecoderError: if it cannot.
    """
    with self._first_lock:
      was_there = self._first is not None
      try:
        pid = self._ordered(kind, descriptor)
      except NoDecoderError:
        if not was_there or self._is_closed:
          raise
        pid = self._ordered(kind, descriptor)  # Of a new one: the old one had ended.
      if pid < 0:
        raise NoDecoderError(f'No decoder can be started: {os.strerror(-pid)}.')
      self._started().pids.add(pid)
      return pid

  def _ordered(self, kind: bytes, descriptor: int) -> int:
    try:
      return self._started().order(kind, 0, [descriptor])
    except (EOFError, OSError) as error:
      self._drop_first()
      raise NoDecoderError(
        f'No decoder can be started: python -m {self._program} ended.'
      ) from error

  def _started(self) -> _First:
    """Returns the first process, a new one where it has ended. Called with the lock."""
    if self._is_closed:
      raise NoDecoderError(_CLOSED)
    if self._first is None:
      try:
        self._first = self._starter.submit(self._new_first).result()
      except OSError as error:
        raise NoDecoderError(f'No decoder can be started: {error.strerror}.') from error
    return self._first

  def _new_first(self) -> _First:
    return _First(self._program)

  def _drop_first(self) -> None:
    if self._first:
      self._first.close()
      self._first = None


@dataclasses.dataclass(eq=False)
class _Slot:
  """The place of a decoder; None while it has none."""

  decoder: _Decoder | None = None


class _First:
  """The process that forks decoders.

  Attributes:
    pids: Of those that it has forked and was not asked about.
  """

  def __init__(self, program: str) -> None:
    """Starts it, in a thread that lives as long as it."""
    self.pids: set[int] = set()
    self._is_ready = False
    self._control, theirs = socket.socketpair()
    try:
      with theirs:
        number = theirs.fileno()
        self._process = subprocess.Popen(
          [sys.executable, '-P', '-m', program, str(number), str(os.getpid())],
          stdin=subprocess.DEVNULL,
          stdout=subprocess.DEVNULL,
          # Modules come from where ours do, whatever lies in the folder we are in.
          env={**os.environ, **_ENVIRONMENT, 'PYTHONPATH': os.pathsep.join(map(_path, sys.path))},
          pass_fds=[number],
          start_new_session=True,  # Ctrl-C is the program's to hear.
        )
    except BaseException:
      self._control.close()
      raise

  def order(self, kind: bytes, number: int, descriptors: Sequence[int] = ()) -> int:
    """Returns the answer to an order.

    Raises:
      EOFError: if it has ended.
      OSError: likewise.
    """
    if not self._is_ready:
      self._received(_START_S)
      self._is_ready = True
    socket.send_fds(self._control, [decoder_process.ORDER.pack(kind, number)], list(descriptors))
    return self._received(_ANSWER_S)

  def _received(self, max_s: float) -> int:
    self._control.settimeout(max_s)
    answer = self._control.recv(decoder_process.ANSWER.size, socket.MSG_WAITALL)
    if len(answer) < decoder_process.ANSWER.size:
      raise EOFError
    (value,) = decoder_process.ANSWER.unpack(answer)
    return int(value)

  def close(self) -> None:
    """Ends it, and with it its decoders."""
    self._control.close()
    try:
      self._process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
      self._process.kill()
      self._process.wait()


class _Decoder:
  """One decoder.

  Attributes:
    pid: Its number.
    num_asked: How many pieces of work it was asked for.
  """

  def __init__(self, sock: socket.socket, pid: int, limits: Limits) -> None:
    self.pid = pid
    self.num_asked = 0
    self._sock = sock
    self._limits = limits
    sock.settimeout(limits.wall_s + _PATIENCE_S)

  def set_up(self, settings: Mapping[str, Any]) -> None:
    """Tells it what it needs; raises _DiedError."""
    limits = self._limits
    setup = {
      'settings': settings,
      'max_cpu_s': limits.cpu_s,
      'max_wall_s': limits.wall_s,
      'max_memory_bytes': limits.memory_bytes,
    }
    self._exchange(setup, b'', time.monotonic() + _ANSWER_S)

  def ask(self, asked: Mapping[str, Any], content: bytes) -> list[decoder_process.Piece] | None:
    """Returns the answer to a message; None behind the end of a stream.

    Raises:
      _DiedError: if it dies of it, or has died.
    """
    self.num_asked += 1
    end_s = time.monotonic() + self._limits.wall_s + _PATIENCE_S
    said, data = self._exchange(asked, content, end_s)
    if said.get('no_memory'):
      raise _DiedError(Cause.NO_MEMORY)
    if 'failed' in said:
      raise RuntimeError(f'A decoder failed with {said["failed"]}; its traceback is above.')
    if said.get('end'):
      return None
    try:
      return list(_pieces(said['pieces'], data))
    except (KeyError, TypeError, ValueError) as error:
      raise _DiedError(Cause.CRASHED) from error

  def has_ended(self) -> bool:
    """Whether it has ended while it was asked nothing, or the pool was closed meanwhile."""
    poll = select.poll()
    try:
      poll.register(self._sock, select.POLLIN)
    except ValueError:  # Closed.
      return True
    return bool(poll.poll(0))

  def close(self) -> None:
    """Says that nothing comes any more, also to who waits for its answer in another thread."""
    with contextlib.suppress(OSError):
      self._sock.shutdown(socket.SHUT_RDWR)
    self._sock.close()

  def _exchange(
    self, said: Mapping[str, Any], content: bytes, end_s: float
  ) -> tuple[dict[str, Any], memoryview]:
    try:
      decoder_wire.send(self._sock, said, [content])
      return decoder_wire.receive(self._sock, max_bytes=self._limits.memory_bytes, end_s=end_s)
    except decoder_wire.LateError as error:
      raise _DiedError(Cause.TOO_SLOW) from error
    except (EOFError, OSError) as error:
      raise _DiedError from error


def _path(entry: str) -> str:
  return entry or os.getcwd()


def _pieces(said: Sequence[Any], data: memoryview) -> Iterator[decoder_process.Piece]:
  """Yields the pieces of an answer; raises ValueError or the like where it is none."""
  at = 0
  for words, *form in said:
    values = None
    if form:
      name, shape = form
      dtype = {'float32': np.float32, 'uint8': np.uint8}[name]
      count = math.prod(shape)
      values = np.frombuffer(data, dtype, count, at).reshape(shape)
      at += values.nbytes
    yield decoder_process.Piece(said=words, values=values)
