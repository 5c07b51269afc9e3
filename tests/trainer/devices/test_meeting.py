"""Workers that meet before TensorFlow connects them: threads stand for their processes."""

import concurrent.futures
import contextlib
import json
import re
import socket
import threading

import pytest

from schemas import errors
from tests.trainer.devices import addresses
from trainer.devices import agreement, meeting
from trainer.devices.strategies import multi_worker

MEANT = {'seed': 3, 'augment': ('gain',)}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
  for name, value in (
    ('WAIT_LINE_S', 0.05),
    ('TELL_S', 60.0),
    ('_TICK_S', 0.01),
    ('_FREE_S', 0.05),
  ):
    monkeypatch.setattr(meeting, name, value)


@pytest.fixture
def cluster():
  return tuple(addresses.free(3))


@pytest.fixture
def pool():
  with concurrent.futures.ThreadPoolExecutor(3) as made:
    yield made


def task(cluster, index):
  return multi_worker.Task(index=index, addresses=cluster)


def hold(cluster, index, meant=None):
  return meeting.hold(task(cluster, index), 'anew' if index else 'continued', meant or MEANT)


def refuse(cluster, index, monkeypatch):
  config = {'cluster': {'worker': list(cluster)}, 'task': {'type': 'worker', 'index': index}}
  monkeypatch.setenv('TF_CONFIG', json.dumps(config))
  with pytest.raises(errors.DatasetError, match='no such folder'), meeting.refusals_told(True):
    raise errors.DatasetError('There is no such folder.')


def wait_for(said, text):
  lines = ''
  for _ in range(30_000):
    lines += said()
    if text in lines:
      return lines
    threading.Event().wait(0.01)
  raise AssertionError(lines)


def test_all_begin_as_the_chief_says_and_the_address_is_free_again(cluster, pool):
  found = [pool.submit(hold, cluster, index) for index in (2, 1, 0)]
  assert [one.result(300) for one in found] == ['continued'] * 3
  meeting._listen(cluster[0]).close()
  assert meeting.hold(task(cluster[:1], 0), 'new', MEANT) == 'new'  # With nobody else.


def test_who_waits_says_for_whom(cluster, pool, capsys):
  said = lambda: capsys.readouterr().out  # noqa: E731
  late = pool.submit(hold, cluster, 2)
  wait_for(said, f'waiting for worker 0 ({cluster[0]}), of 3')
  chief = pool.submit(hold, cluster, 0)
  wait_for(said, f'waiting for worker 1 ({cluster[1]}), of 3')
  assert [hold(cluster, 1), chief.result(300), late.result(300)] == ['continued'] * 3


@pytest.mark.parametrize('index', [0, 1])
def test_who_refuses_takes_all_others_with_it_and_they_say_why(
  cluster, pool, monkeypatch, index, capsys
):
  others = [pool.submit(hold, cluster, other) for other in range(3) if other != index]
  refuse(cluster, index, monkeypatch)
  sentence = f'Worker {index} refuses, so none trains. It says: There is no such folder.'
  for other in others:
    with pytest.raises(errors.ConfigError, match=re.escape(sentence)):
      other.result(300)
  assert 'This worker refuses, and tells the others so' in capsys.readouterr().err


def test_who_means_another_training_ends_it_for_all(cluster, pool):
  chief, second = (pool.submit(hold, cluster, index) for index in (0, 1))
  third = pool.submit(hold, cluster, 2, {'seed': 4, 'augment': ['gain'], 'ema': 0.5})
  sentence = (
    r'^Worker 2 was given another training: ema is 0\.5 there and None at worker 0; seed is 4 '
    r'there and 3 at worker 0\. Give all'
  )
  for one in (chief, second, third):
    with pytest.raises(errors.ConfigError, match=sentence):
      one.result(300)


def spoken(connection, index, until):
  """Says what a worker says until the chief's line has a word; returns that line."""
  meeting._send(connection, {'index': index, 'meant': MEANT, 'start': 'new'})
  for answer in meeting._answers(connection):
    if until in answer:
      return answer
    meeting._send(connection, {'index': index, 'heard': answer['tick']})
  raise AssertionError('The chief is gone.')


def test_a_worker_that_is_started_again_is_taken_again(cluster, pool, capsys):
  chief, third = (pool.submit(hold, cluster, index) for index in (0, 2))
  wait_for(lambda: capsys.readouterr().out, 'waiting for worker 1')
  with meeting._connected(cluster[0]) as gone:
    spoken(gone, 1, 'waiting')
  second = pool.submit(hold, cluster, 1)
  assert [one.result(300) for one in (chief, second, third)] == ['continued'] * 3


@pytest.mark.parametrize('index', [1, 2])
def test_a_worker_that_leaves_as_the_chief_says_start_comes_again(
  cluster, pool, monkeypatch, index
):
  answers, left = meeting._answers, []

  def leaving(connection):
    for answer in answers(connection):
      if 'start' in answer and not left and mine.index == index:
        left.append(index)
        raise TimeoutError  # Nobody reads that line: it had given the chief up by then.
      yield answer

  mine = threading.local()

  def worker(index):
    mine.index = index
    return hold(cluster, index)

  monkeypatch.setattr(meeting, '_answers', leaving)
  found = [pool.submit(hold, cluster, 0), *(pool.submit(worker, i) for i in (1, 2))]
  assert [one.result(300) for one in found] == ['continued'] * 3
  assert left == [index]
  meeting._listen(cluster[0]).close()


def test_who_is_there_and_answers_no_more_is_waited_for_and_named(cluster, pool, capsys):
  chief, third = (pool.submit(hold, cluster, index) for index in (0, 2))
  wait_for(lambda: capsys.readouterr().out, 'waiting for worker 1')
  with meeting._connected(cluster[0]) as stopped:
    meeting._send(stopped, {'index': 1, 'meant': MEANT, 'start': 'new'})
    wait_for(lambda: stopped.recv(1000).decode(), '"waiting": [1]')
    wait_for(lambda: capsys.readouterr().out, f'waiting for worker 1 ({cluster[1]}), of 3')
    assert not chief.done()
    # The third does not begin without it either.
    assert not third.done()
    second = pool.submit(hold, cluster, 1)
    assert [one.result(300) for one in (chief, second, third)] == ['continued'] * 3


def test_of_two_with_one_number_the_earlier_is_told_and_ends(cluster, pool, capsys):
  chief, earlier = (pool.submit(hold, cluster, index) for index in (0, 1))
  wait_for(lambda: capsys.readouterr().out, f'waiting for worker 2 ({cluster[2]}), of 3')
  later = pool.submit(hold, cluster, 1)
  with pytest.raises(errors.ConfigError, match=r'^Another process came .* as worker 1 .* TF_CONF'):
    earlier.result(300)
  assert hold(cluster, 2) == 'continued'
  assert [one.result(300) for one in (chief, later)] == ['continued'] * 2


@pytest.mark.parametrize('last', [{'waiting': [2], 'tick': 1}, None])
def test_a_chief_that_dies_between_two_lines_is_awaited_and_taken_again(cluster, pool, last):
  second = pool.submit(hold, cluster, 1)
  with meeting._listen(cluster[0]) as dying:
    connection, _ = dying.accept()
    with connection:
      assert json.loads(connection.makefile('rb').readline())['index'] == 1
      if last:
        meeting._send(connection, last)
  found = [second, *(pool.submit(hold, cluster, index) for index in (0, 2))]
  assert [one.result(300) for one in found] == ['continued'] * 3


def test_a_worker_that_comes_when_others_have_begun_begins_too_or_ends_with_the_reason(
  cluster, pool
):
  chief, third = (pool.submit(hold, cluster, index) for index in (0, 2))
  with connected(cluster[0]) as dying:
    assert spoken(dying, 1, 'start') == {'start': 'continued'}
    assert third.result(300) == 'continued'
  with pytest.raises(errors.ConfigError, match='Worker 1 was given another training: seed is 4'):
    hold(cluster, 1, {'seed': 4, 'augment': ['gain']})
  with pytest.raises(errors.ConfigError, match='Worker 1 was given another training: seed is 4'):
    chief.result(300)


def connected(address):
  for _ in range(30_000):
    try:
      return meeting._connected(address)
    except OSError:  # Nobody listens there yet.
      threading.Event().wait(0.01)
  raise AssertionError(address)


@pytest.mark.parametrize(
  'noise', [b'GET / HTTP/1.1\r\n\r\n', b'\x16\x03\n', b'{"index": 9}\n', b'[' * 9000 + b'\n', b'x']
)
def test_strangers_are_no_workers(cluster, pool, noise):
  chief = pool.submit(hold, cluster, 0)
  with connected(cluster[0]) as stranger:
    stranger.sendall(noise)
    others = [pool.submit(hold, cluster, index) for index in (1, 2)]
    assert [one.result(300) for one in (chief, *others)] == ['continued'] * 3


def test_a_port_that_is_taken_is_said_by_both(cluster, pool, capsys, monkeypatch):
  monkeypatch.setattr(meeting, '_SILENT_S', 0.1)
  with socket.create_server(('', meeting._parts(cluster[0])[1])) as other:
    with pytest.raises(errors.ConfigError, match=r'Worker 0 cannot listen at .* another training'):
      hold(cluster, 0)
    worker = pool.submit(meeting._attend, task(cluster, 1), {'index': 1})
    answer(other, b'\0\0\n')
    wait_for(lambda: capsys.readouterr().out, 'something else answers there')
    assert meeting._attend(task(cluster, 1), {'index': 1}, limit_s=0.3) == ''
    while not worker.done():  # It hears no answer that comes late.
      answer(other, b'{"start": "new"}\n')
    assert worker.result() == 'new'


def answer(listening, line):
  """Answers the next connection, if one comes and is still there."""
  listening.settimeout(1.0)
  with contextlib.suppress(OSError), listening.accept()[0] as connection:
    connection.settimeout(1.0)
    connection.sendall(line)
    while connection.recv(1000):  # Closed on what nobody has read it would be cut off, not ended.
      pass


class Worker:
  """One of three whose sums are those of threads that wait for one another."""

  def __init__(self, index, barrier, board):
    self.index, self.is_chief, self.count = index, not index, 3
    self._barrier, self._board = barrier, board

  def _all(self, mine):
    self._board[self.index] = mine
    self._barrier.wait(300)
    found = dict(self._board)
    self._barrier.wait(300)
    return found

  def total(self, values):
    return [sum(column) for column in zip(*self._all(values).values(), strict=True)]

  def from_worker(self, index, data):
    return self._all(data)[index]

  def from_chief(self, data):
    return self.from_worker(0, data)


@pytest.mark.parametrize('index', [0, 2])
def test_who_refuses_later_takes_the_others_with_it_too(pool, index):
  barrier, board = threading.Barrier(3), {}
  workers = [Worker(i, barrier, board) for i in range(3)]

  def make(worker):
    if worker.index == index:
      raise errors.DatasetError('None can be read.')
    return worker.index

  def ask(worker):
    return agreement.together(lambda: make(worker), worker)

  found = [pool.submit(ask, worker) for worker in workers]
  for i, one in enumerate(found):
    error = errors.DatasetError if i == index else errors.ConfigError
    said = '' if i == index else f'Worker {index} refuses, so none trains. It says: '
    with pytest.raises(error, match=f'^{said}None can be read'):
      one.result(300)
  by_chief = lambda worker: agreement.made_by_chief(lambda: b'state', worker)  # noqa: E731
  assert [one.result(300) for one in [pool.submit(by_chief, w) for w in workers]] == [b'state'] * 3
