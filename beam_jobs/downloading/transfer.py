"""One large file from a web server, which goes on where a connection was cut.

  FILE.part        what has come
  FILE.part.json   of which state of which address

A later run goes on too. What was begun of another state of the file is begun anew.
"""

import contextlib
import errno
import json
import math
import os
from collections.abc import Callable
from typing import Any

import requests

from schemas import errors
from tfrecords import storage
from tfrecords.storage import passing_faults, web

# Called with the bytes that are there and those in all, or 0 where nobody knows.
Report = Callable[[int, int], None]
# Called with the bytes that are to come, before the first does.
Room = Callable[[int], None]


def fetch(
  url: str, path: str, *, num_bytes: int, most_bytes: int, report: Report, check_room: Room
) -> None:
  """Makes `path` what is at an address.

  Args:
    url: The address.
    path: The file, which is there whole at the end, and not before.
    num_bytes: Its size, if that is known; 0 if not.
    most_bytes: No larger file is taken.
    report: Shows how far it is.
    check_room: Refuses what the disk has no room for.

  Raises:
    SourceError: if it is not to be had, with what to do.
  """
  part = _Part(url, f'{path}.part', num_bytes=num_bytes, most_bytes=most_bytes)
  waits_s = list(passing_faults.WAITS_S)
  most_had = part.got_bytes()
  while True:
    try:
      part.go_on(report, check_room)
      break
    except OSError as error:
      if not passing_faults.fault_in(error):
        raise errors.SourceError(
          f'Could not download {url}: {error.strerror or error}. Is the address still right? '
          'Another server that has the file is named with --mirror=URL.'
        ) from error
      if part.got_bytes() > most_had:  # It went on: whatever comes now is tried as often again.
        most_had, waits_s = part.got_bytes(), list(passing_faults.WAITS_S)
      if not waits_s:
        raise errors.SourceError(
          f'Could not download {url}: {error.strerror or error}, also after '
          f'{len(passing_faults.WAITS_S) + 1} tries. {part.got_bytes():,} bytes are kept: run the '
          'same command again to go on, or name another server with --mirror=URL.'
        ) from error
      passing_faults.sleep(waits_s.pop(0))
  os.replace(part.path, path)
  storage.remove_if_there(part.state_path)


class _Part:
  """What has come of a file."""

  def __init__(self, url: str, path: str, *, num_bytes: int, most_bytes: int) -> None:
    self._url, self._num_bytes, self._most_bytes = url, num_bytes, most_bytes
    self.path, self.state_path = path, f'{path}.json'

  def got_bytes(self) -> int:
    """Returns how much is there."""
    with contextlib.suppress(OSError):
      return os.path.getsize(self.path)
    return 0

  def go_on(self, report: Report, check_room: Room) -> None:
    """Takes the rest of the file; raises OSError where the connection ends before."""
    validator = self._validator()
    start = self.got_bytes() if validator else 0
    headers = {'Range': f'bytes={start}-', 'If-Range': validator} if start else {}
    with web.answer(self._url, headers) as response:
      found = web.range_of(response)
      if response.status_code == requests.codes.ok:
        start, end = 0, web.length_of(response)
        self._begin_anew(web.validator_of(response))
      elif found and found[0] == start:
        end = found[2]
      else:
        # All is there already, or it is of another state, or the server does not know what it does.
        self._begin_anew('')
        raise OSError(errno.EAGAIN, 'the server has no such part of the file', self._url)
      self._check_size(end or 0)
      check_room(max(0, (end or self._num_bytes) - start))
      left = None if end is None else end - start
      with open(self.path, 'ab') as stream:
        for piece in web.pieces(response, self._url, left, limit_s=math.inf):
          with storage.naming_failures(repr(self.path), path=self.path):
            stream.write(piece)
            stream.flush()  # Here, and not when it is closed, is to be said that the disk is full.
          report(stream.tell(), end or 0)
          if stream.tell() > self._most_bytes:
            raise self._too_large(stream.tell())

  def _begin_anew(self, validator: str) -> None:
    """Forgets what has come, and notes of which state the rest will be."""
    storage.remove_if_there(self.state_path)
    with open(self.path, 'wb'):
      pass
    if validator:
      state = {'url': errors.shown(self._url), 'validator': validator}
      storage.write_atomically(self.state_path, json.dumps(state).encode())

  def _validator(self) -> str:
    """Returns of which state the file is that has come in part; '' if nobody knows."""
    with (
      contextlib.suppress(OSError, ValueError),
      open(self.state_path, encoding='utf-8') as stream,
    ):
      state: Any = json.load(stream)
      if isinstance(state, dict) and state.get('url') == errors.shown(self._url):
        return str(state.get('validator') or '')
    return ''

  def _check_size(self, num_bytes: int) -> None:
    if self._num_bytes and num_bytes and num_bytes != self._num_bytes:
      raise errors.SourceError(
        f'{self._url} has {num_bytes:,} bytes, and the archive has {self._num_bytes:,}: it is '
        'another file. Name another server with --mirror=URL; --sha256=any takes this one.'
      )
    if num_bytes > self._most_bytes:
      raise self._too_large(num_bytes)

  def _too_large(self, num_bytes: int) -> errors.SourceError:
    return errors.SourceError(
      f'{self._url} has {num_bytes:,} bytes or more, and the archive at most {self._most_bytes:,}: '
      'it is another file. Name another server with --mirror=URL.'
    )
