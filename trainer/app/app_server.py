"""Serves the page: on one socket, until a signal ends it, and only what the page itself needs."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from schemas import errors

# What a page of Gradio asks for: itself, and the events of its parts. What else Gradio has (files,
# proxies of other servers, monitoring, editors, histories) is not there.
_PATHS = frozenset(
  '/ /config /theme.css /favicon.ico /manifest.json /robots.txt /gradio_api/upload '
  '/gradio_api/upload_progress /gradio_api/queue/join /gradio_api/queue/data /gradio_api/cancel '
  '/gradio_api/reset /gradio_api/startup-events /gradio_api/info'.split()
)
_FOLDERS = ('/assets/', '/static/', '/svelte/', '/gradio_api/heartbeat/')
_UPLOAD = '/gradio_api/upload'
# The microphone's own view of what it recorded, for as long as that is there.
_FILE = '/gradio_api/file='
_MOST_EVENT_BYTES = 1 << 20
# A file's name and the lines around it.
_FORM_BYTES = 1 << 16

# The page can ask nobody but us, whatever its scripts would like to, and stands in no other page.
_HEADERS = (
  (
    b'content-security-policy',
    b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
    b"connect-src 'self' data: blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'self'",
  ),
  (b'referrer-policy', b'no-referrer'),
  (b'x-content-type-options', b'nosniff'),
)
_CLOSING_S = 2

_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[Mapping[str, Any], _Receive, _Send], Awaitable[None]]


class _RefusedError(Exception):
  """A request that is not answered: its status and a sentence."""

  def __init__(self, status: int, sentence: str) -> None:
    super().__init__(sentence)
    self.status = status


class Guarded:
  """An ASGI application in front of Gradio's, which lets through what the page needs."""

  def __init__(self, inner: _App, *, uploads: str, max_bytes: int) -> None:
    """Takes Gradio's application.

    Args:
      inner: It.
      uploads: The folder that it puts files in, the only one that events may name.
      max_bytes: The largest file.
    """
    self._inner = inner
    self._uploads = os.path.realpath(uploads)
    self._max_bytes = max_bytes

  async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
    """As ASGI says."""
    if scope['type'] != 'http':
      if scope['type'] == 'lifespan':
        await self._inner(scope, receive, send)
      return
    begun = False

    async def answer(message: _Message) -> None:
      nonlocal begun
      if message['type'] == 'http.response.start':
        begun = True
        message = {**message, 'headers': [*message.get('headers', ()), *_HEADERS]}
      await send(message)

    try:
      await self._inner(scope, await self._checked(scope, receive), answer)
    except _RefusedError as refused:
      if begun:
        raise
      text = str(refused).encode()
      headers = [(b'content-type', b'text/plain; charset=utf-8')]
      await answer({'type': 'http.response.start', 'status': refused.status, 'headers': headers})
      await send({'type': 'http.response.body', 'body': text})

  async def _checked(self, scope: Mapping[str, Any], receive: _Receive) -> _Receive:
    """Returns what gives the body of a request, or raises _RefusedError."""
    path = scope['path']
    if path.startswith(_FILE) and self._is_upload(path.removeprefix(_FILE)):
      return receive
    if path not in _PATHS and not path.startswith(_FOLDERS):
      raise _RefusedError(404, 'There is no such page here.')
    if scope['method'] != 'POST':
      return receive
    if path.startswith(_UPLOAD):
      return _limited(scope, receive, self._max_bytes + _FORM_BYTES)
    body = await _whole(_limited(scope, receive, _MOST_EVENT_BYTES))
    self._check_files(body)
    held: Iterator[_Message] = iter([{'type': 'http.request', 'body': body, 'more_body': False}])

    async def again() -> _Message:
      return next(held, None) or await receive()

    return again

  def _check_files(self, body: bytes) -> None:
    """Raises _RefusedError for an event that names a file, or an address, that was not uploaded."""
    try:
      event = json.loads(body or b'null')
    except (ValueError, RecursionError):
      raise _RefusedError(400, 'Wanted JSON, got something else.') from None
    for path in _paths(event):
      if not self._is_upload(path):
        raise _RefusedError(403, 'Only files that were uploaded here are heard.')

  def _is_upload(self, path: Any) -> bool:
    """Whether something is the path of a file in the folder of what was uploaded."""
    if not isinstance(path, str) or '\0' in path:
      return False
    return os.path.realpath(path).startswith(self._uploads + os.sep)


def _paths(event: Any) -> Iterator[Any]:
  """Yields whatever is called a path in an event."""
  left = [event]
  while left:
    one = left.pop()
    if isinstance(one, dict):
      if one.get('path') is not None:
        yield one['path']
      left += one.values()
    elif isinstance(one, list):
      left += one


def _limited(scope: Mapping[str, Any], receive: _Receive, most_bytes: int) -> _Receive:
  """Returns what gives the body of a request and raises _RefusedError where that is too large."""
  sentence = f'Wanted at most {most_bytes:,} bytes, got more.'
  told = dict(scope['headers']).get(b'content-length', b'0')
  if not told.isdigit() or int(told) > most_bytes:
    raise _RefusedError(413, sentence)
  num_read = 0

  async def counted() -> _Message:
    nonlocal num_read
    message = await receive()
    num_read += len(message.get('body', b''))
    if num_read > most_bytes:
      raise _RefusedError(413, sentence)
    return message

  return counted


async def _whole(receive: _Receive) -> bytes:
  parts = []
  while True:
    message = await receive()
    if message['type'] == 'http.disconnect':
      raise _RefusedError(400, 'The request ended early.')
    parts.append(message.get('body', b''))
    if not message.get('more_body'):
      return b''.join(parts)


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
  """Gives a socket that listens.

  Raises:
    ConfigError: if the port is taken, or the address is none of this machine.
  """
  try:
    family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(where)
    found.listen(128)
  except (OSError, UnicodeError) as error:
    raise errors.ConfigError(
      f'Could not listen at --host={host} --port={port}: '
      f'{getattr(error, "strerror", "") or error}. --port=0 takes a free one.'
    ) from error
  with found:
    yield found


def address(listening_at: socket.socket) -> str:
  """Returns where a browser finds the page."""
  host, port = listening_at.getsockname()[:2]
  host = {'0.0.0.0': '127.0.0.1', '::': '[::1]'}.get(host, f'[{host}]' if ':' in host else host)
  return urllib.parse.urlunsplit(('http', f'{host}:{port}', '/', '', ''))


def serve(served: Any, listening_at: socket.socket) -> None:
  """Serves until SIGINT or SIGTERM, which come back as a KeyboardInterrupt."""
  import uvicorn

  config = uvicorn.Config(
    served, log_level='critical', access_log=False, ws='none', timeout_graceful_shutdown=_CLOSING_S
  )
  uvicorn.Server(config).run(sockets=[listening_at])
