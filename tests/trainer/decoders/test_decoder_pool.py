"""Decoders that crash, hang and eat memory cost their own work, and nobody else anything."""

import contextlib
import errno
import os
import signal
import socket
import struct
import time
from concurrent import futures

import numpy as np
import pytest

from tests.trainer.decoders import breaking
from trainer.decoders import decoder_pool, decoder_process, decoder_wire

Cause = decoder_pool.Cause
# By the clock with patience: a machine that does much else lets the good ones wait too.
# By the processor too: to fill the 96 MiB has taken 0.007 to 0.09 s here.
LIMITS = decoder_pool.Limits(cpu_s=1.0, wall_s=6.0, memory_bytes=96 << 20)


@contextlib.contextmanager
def made(*, count=2, limits=LIMITS, program=breaking.PROGRAM):
  """Gives a pool, and what it said of decoders that it lost."""
  lost = []
  pool = decoder_pool.DecoderPool(
    program, count=count, limits=limits, on_loss=lambda *said: lost.append(said)
  )
  with contextlib.closing(pool):
    pool.start()
    pool.set_up({})
    yield pool, lost


@pytest.fixture(scope='module')
def shared():
  with made() as found:
    yield found


@pytest.fixture
def pool(shared):
  found, lost = shared
  lost.clear()
  yield found
  assert found.num_alive == found.count and found.why_not == ''


def test_sockets_of_the_program_may_have_a_default_timeout(capfd):
  """As libraries set it for the whole process."""
  socket.setdefaulttimeout(60)
  try:
    with made(count=1) as (pool, lost):
      [piece] = pool.ask('echo', {}, b'heard')
  finally:
    socket.setdefaulttimeout(None)
  assert piece.values.tobytes() == b'heard' and not lost
  assert capfd.readouterr().err == ''  # No process ended and was replaced.


def pids(pool):
  return {slot.decoder.pid for slot in pool._slots}


def is_there(pid):
  try:
    with open(f'/proc/{pid}/stat', encoding='ascii') as stream:
      return stream.read().rpartition(')')[2].split()[0] not in 'ZX'
  except (FileNotFoundError, ProcessLookupError):
    return False


def gone(found, within_s=300.0):
  """Whether all of these processes end in time."""
  end_s = time.monotonic() + within_s
  while any(map(is_there, found)) and time.monotonic() < end_s:
    time.sleep(0.01)
  return not any(map(is_there, found))


@pytest.mark.parametrize('num_bytes', [0, 5, 90_000, 98_304, 9_000_001])
def test_it_gives_what_the_work_gives(pool, num_bytes):
  content = np.random.default_rng(1).bytes(num_bytes)
  [piece] = pool.ask('echo', {'ä': [None, 1.5]}, content)
  assert piece.said['ä'] == [None, 1.5] and piece.said['pid'] in pids(pool)
  assert piece.values.tobytes() == content


@pytest.mark.parametrize(
  ('content', 'cause', 'sentence', 'num_lost'),
  [
    (b'SEGV', Cause.CRASHED, 'the decoder itself breaks (SIGSEGV). Convert it', 2),
    (b'ABRT', Cause.CRASHED, '(SIGABRT)', 2),
    (b'EXIT', Cause.CRASHED, '(exit code 3)', 2),
    (b'KILL', Cause.NO_MEMORY, 'decoded in 96 MiB, got one that takes more', 2),
    (b'EAT!', Cause.NO_MEMORY, 'decoded in 96 MiB, got one that takes more', 2),
    # They would take as long again.
    (b'SPIN', Cause.TOO_SLOW, 'in 1 s of processor time and 6 s by the clock, got no end', 1),
    (b'WAIT', Cause.TOO_SLOW, 'got no end: its decoder was stopped', 1),
  ],
)
def test_a_decoder_that_breaks_is_a_sentence_and_is_replaced(
  pool, shared, content, cause, sentence, num_lost
):
  for _ in range(2):
    pool.ask('echo', {}, b'so that each has done something')
  with futures.ThreadPoolExecutor(4) as threads:
    bad = threads.submit(pool.ask, 'echo', {}, content)
    good = [threads.submit(pool.ask, 'echo', {'i': i}, b'good') for i in range(60)]
    assert [one.result()[0].said['i'] for one in good] == list(range(60))
    with pytest.raises(decoder_pool.DecoderLostError) as error:
      bad.result()
  assert error.value.cause is cause and sentence in str(error.value)
  # A decoder that had done other work is not believed at once.
  assert [one[0] for one in shared[1]] in ([cause] * num_lost, [cause])
  assert pool.ask('echo', {}, b'and on')[0].values.tobytes() == b'and on'


def test_a_defect_of_ours_is_told_and_ends_no_decoder(pool, shared):
  before = pids(pool)
  with pytest.raises(RuntimeError, match='ValueError'):
    pool.ask('fail', {})
  assert pids(pool) == before and not shared[1]


def test_what_comes_part_by_part_goes_on_where_it_was(pool):
  parts = pool.stream('count', {'to': 6}, b'x')
  others = pool.stream('count', {'to': 3}, b'')
  found = [next(parts), next(others), next(parts)]
  holder = found[0][0].said['pid']
  # Another's file ends the decoder that holds it, and whatever else there is.
  while holder in pids(pool):
    with pytest.raises(decoder_pool.DecoderLostError):
      pool.ask('echo', {}, b'SEGV')
  found += [*parts]
  of_parts = [found[0], *found[2:]]
  assert [part[0].said['i'] for part in of_parts] == list(range(6))
  assert all(part[1].values.tolist() == [[i] * 3] * 2 for i, part in enumerate(of_parts))
  assert of_parts[-1][0].said['is_there'] and of_parts[-1][0].said['pid'] != holder
  assert [part[0].said['i'] for part in others] == [1, 2]


def test_what_breaks_in_the_middle_has_given_what_was_before(pool):
  parts = pool.stream('count', {'to': 6, 'breaks_at': 2})
  assert [next(parts)[0].said['i'] for _ in range(2)] == [0, 1]
  with pytest.raises(decoder_pool.DecoderLostError, match='SIGSEGV'):
    next(parts)
  half = pool.stream('count', {'to': 6})
  next(half)
  half.close()  # Nobody waits for it any more.


def test_what_ends_by_itself_is_replaced_before_anybody_asks(pool, shared):
  for pid in pids(pool):
    os.kill(pid, signal.SIGKILL)
  assert gone(pids(pool))
  pool.mend()
  assert pool.num_alive == 2
  assert [one[0] for one in shared[1]] == [Cause.NO_MEMORY] * 2


def test_who_forks_may_be_killed_too_and_all_end_with_the_pool():
  with made(count=1) as (pool, _):
    first = pool._first._process.pid
    before = pids(pool)
    os.kill(first, signal.SIGKILL)
    assert gone(before)
    assert pool.ask('echo', {}, b'good')[0].values.tobytes() == b'good'
    last = {*pids(pool), pool._first._process.pid}
    decoder = pool._slots[0].decoder
    num_asked = decoder.num_asked
    threads = futures.ThreadPoolExecutor(1)
    hanging = threads.submit(pool.ask, 'echo', {}, b'WAIT')
    while decoder.num_asked == num_asked:
      time.sleep(0.01)
  assert gone(last)
  # It is no fault of the file.
  assert isinstance(hanging.exception(300), decoder_pool.NoDecoderError)
  with pytest.raises(decoder_pool.NoDecoderError, match='have ended with the program'):
    pool.ask('echo', {})


def test_who_comes_when_the_pool_has_just_ended_is_told_so():
  with made(count=1) as (pool, lost):
    parts = pool.stream('count', {'to': 6})
    next(parts)
  assert pool._slots[0].decoder  # Nobody has noticed yet.
  with pytest.raises(decoder_pool.NoDecoderError, match='have ended with the program'):
    pool.ask('echo', {}, b'late')
  with pytest.raises(decoder_pool.NoDecoderError, match='have ended with the program'):
    next(parts)
  pool.mend()
  assert not lost


def test_where_none_can_be_started_it_is_said_and_tried_again(monkeypatch):
  with made(count=1) as (pool, _):
    os.kill(pool._first._process.pid, signal.SIGKILL)
    assert gone(pids(pool))
    monkeypatch.setattr(decoder_pool, '_First', _no_process)
    with pytest.raises(decoder_pool.NoDecoderError, match='Resource temporarily unavailable'):
      pool.ask('echo', {})
    pool.mend()
    assert pool.num_alive == 0 and 'Resource temporarily' in pool.why_not
    monkeypatch.undo()
    pool.mend()
    assert pool.num_alive == 1 and pool.why_not == ''


def _no_process(program):
  raise BlockingIOError(11, os.strerror(11))


def test_without_descriptors_there_is_no_decoder_until_there_are_some(monkeypatch):
  def none_left():
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

  with made(count=1) as (pool, _):
    os.kill(*pids(pool), signal.SIGKILL)
    assert gone(pids(pool))
    monkeypatch.setattr(socket, 'socketpair', none_left)
    with pytest.raises(decoder_pool.NoDecoderError, match='Too many open files'):
      pool.ask('echo', {})
    pool.mend()
    assert pool.num_alive == 0 and 'Too many open files' in pool.why_not
    monkeypatch.undo()
    assert pool.ask('echo', {}, b'good')[0].values.tobytes() == b'good'


def test_a_program_that_does_not_start_is_a_sentence(capfd):
  with pytest.raises(decoder_pool.NoDecoderError, match='python -m no.such.program ended'):
    with made(program='no.such.program'):
      pass
  assert 'no' in capfd.readouterr().err


def test_a_decoder_that_was_taken_over_makes_us_hold_and_run_nothing():
  for head in (
    struct.pack('<IQ', 1 << 31, 0),
    struct.pack('<IQ', 2, 1 << 40) + b'{}',
    struct.pack('<IQ', 2, 3) + b'[]abc',
    struct.pack('<IQ', 9, 0) + b'[' * 9,
    struct.pack('<IQ', 9, 0) + b'x',
    struct.pack('<IQ', 2, 1 << 30) + b'{}' + b'x' * 200_000,
  ):
    ours, theirs = socket.socketpair()
    with ours, theirs:
      theirs.sendall(head)
      theirs.shutdown(socket.SHUT_WR)
      with pytest.raises(EOFError):
        decoder_wire.receive(ours, max_bytes=1 << 31)
  bad = [
    {'pieces': [[{}, 'object', [1]]]},
    {'pieces': 3},
    {},
    {'pieces': [[{}, 'uint8', [1 << 40]]]},
  ]
  for said in bad:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(decoder_pool._DiedError):
      decoder_wire.send(theirs, said)
      decoder_pool._Decoder(ours, 0, LIMITS).ask({}, b'')


def test_want_of_memory_is_seen_behind_other_errors():
  error = ValueError()
  error.__cause__ = KeyError()
  error.__cause__.__context__ = MemoryError()
  assert decoder_process.of_memory(error) and not decoder_process.of_memory(ValueError())


def test_modules_come_from_where_those_of_the_program_do(tmp_path, monkeypatch):
  for name in ('json.py', 'struct.py', 'soundfile.py'):
    (tmp_path / name).write_text('raise SystemExit("the folder we are in")')
  monkeypatch.syspath_prepend(os.getcwd())  # Where these tests are found.
  monkeypatch.chdir(tmp_path)
  with made(count=1) as (pool, _):
    assert pool.ask('echo', {}, b'good')[0].values.tobytes() == b'good'
