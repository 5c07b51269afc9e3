"""Decoders of the tests: some do what they are asked, others break in every way."""

import ctypes
import os
import signal
import sys

import numpy as np

from trainer.decoders import decoder_process

PROGRAM = 'tests.trainer.decoders.breaking'


def die():
  """What a wild pointer does."""
  ctypes.string_at(0)


def spin():
  """A loop of C that holds Python's lock: no thread and no handler of the process has a turn."""
  sum(range(1 << 62))


def wait():
  """Waits in C for ever, with the lock."""
  ctypes.PyDLL(None).pause()


def eat():
  """Takes all that it gets, and writes to it."""
  held = []
  while True:
    held.append(np.ones(1 << 23))


BREAKING = {
  b'SEGV': die,
  b'ABRT': os.abort,
  b'SPIN': spin,
  b'WAIT': wait,
  b'EAT!': eat,
  b'KILL': lambda: os.kill(os.getpid(), signal.SIGKILL),
  b'EXIT': lambda: os._exit(3),
}


def break_at(content):
  """Breaks where a file begins so, as a decoder with a defect does."""
  if bytes(content[:4]) in BREAKING:
    BREAKING[bytes(content[:4])]()


def echo(settings, content):
  break_at(content)
  values = np.frombuffer(content, np.uint8)
  yield [decoder_process.Piece(said={'pid': os.getpid(), **settings}, values=values)]


def fail(settings, content):
  raise ValueError(settings)
  yield


def count(settings, content):
  """Gives the numbers up to one, and breaks at some."""
  for i in range(settings['to']):
    if i == settings.get('breaks_at', -1):
      die()
    said = {'i': i, 'pid': os.getpid(), 'is_there': bool(content)}
    yield [decoder_process.Piece(said=said, values=np.full((2, 3), i, np.float32))] * 2


def make(settings):
  return {'echo': echo, 'fail': fail, 'count': count}


if __name__ == '__main__':
  decoder_process.run(make, sys.argv[1:])
