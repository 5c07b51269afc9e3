"""Listens, and ends cleanly: uvicorn, with limits of time for connections that say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator

import uvicorn

from schemas import errors
from trainer.serve import answering_service, http_connection, web_app

# A head of a request that is longer is refused.
_MOST_HEAD_BYTES = 32 << 10
# What comes on top of the time in which a body may arrive, when the server ends.
_LAST_ANSWERS_S = 60
_BACKLOG = 1024


def serve(
  service: answering_service.AnsweringService,
  open_model: answering_service.Opener,
  *,
  on_warm: Callable[[], None] = lambda: None,
  on_ready: Callable[[str, Callable[[], None]], None] = lambda address, end: None,
) -> None:
  """Serves until a signal comes.

  Args:
    service: What answers.
    open_model: Gives the model.
    on_warm: Called when all is loaded and tried, before it answers.
    on_ready: Called with the address, and with what ends the server as a signal does.

  Raises:
    VoxshardError: if the port is taken, or the model cannot be loaded.
    SystemExit: if a second signal came.
  """
  listening = _listen(service.config.host, service.config.port)
  with contextlib.closing(listening):
    asyncio.run(_Serving(service, listening, on_ready).run(open_model, on_warm))


def _listen(host: str, port: int) -> socket.socket:
  """Returns a socket that listens.

  Raises:
    ConfigError: if it cannot be had.
  """
  try:
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, kind, number)
    try:
      found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      found.bind(address)
      found.listen(_BACKLOG)
    except BaseException:
      found.close()
      raise
  except (OSError, UnicodeError) as error:
    said = getattr(error, 'strerror', None) or str(error)
    raise errors.ConfigError(
      f'Could not listen at port {port} of {host!r}: {said}. Is the port taken? --port=0 takes a '
      'free one.'
    ) from error
  if not ipaddress.ip_address(found.getsockname()[0].partition('%')[0]).is_loopback:
    print(
      f'note: --host={host}: whoever reaches this machine can ask the model; there is no password '
      'and no encryption.',
      file=sys.stderr,
    )
  return found


def address_of(listening: socket.socket) -> str:
  """Returns such as http://127.0.0.1:8000."""
  host, port = listening.getsockname()[:2]
  return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'


class _Serving:
  """One server, from its start to its end."""

  def __init__(
    self,
    service: answering_service.AnsweringService,
    listening: socket.socket,
    on_ready: Callable[[str, Callable[[], None]], None],
  ) -> None:
    self._service = service
    self._listening = listening
    self._on_ready = on_ready
    self._exit_code = 0
    self._is_loaded = False
    config = service.config
    # A line for each damaged request would drown what is wrong with the server.
    logging.getLogger('uvicorn.error').setLevel(logging.ERROR)
    self._server = _Server(
      uvicorn.Config(
        web_app.make(service),
        http=http_connection.with_limit(config.max_read_s),
        loop='asyncio',
        ws='none',
        lifespan='off',
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=config.max_read_s,
        timeout_graceful_shutdown=int(config.max_read_s) + _LAST_ANSWERS_S,
        h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
      )
    )

  async def run(self, open_model: answering_service.Opener, on_warm: Callable[[], None]) -> None:
    self._loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
      for number in (signal.SIGTERM, signal.SIGINT):
        self._loop.add_signal_handler(number, self._end, number)
    serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
    try:
      async with self._service.running(open_model, on_warm=on_warm):
        self._is_loaded = True
        if self._service.state is answering_service.State.READY:
          address = address_of(self._listening)
          self._on_ready(
            address, lambda: self._loop.call_soon_threadsafe(self._end, signal.SIGTERM)
          )
          print(f'serving on {address}', flush=True)
        await serving
    finally:
      self._server.should_exit = True
      await serving
    if self._exit_code:
      sys.exit(self._exit_code)

  def _end(self, number: int) -> None:
    """Ends the server; when it is called again, at once."""
    if self._service.state is answering_service.State.ENDING:
      self._exit_code = 128 + number
      if not self._is_loaded:  # By a thread that is in TensorFlow, and that nothing else ends.
        os._exit(self._exit_code)
      self._server.should_exit = self._server.force_exit = True
      return
    self._service.state = answering_service.State.ENDING
    self._loop.call_later(self._service.config.drain_s, self._stop_listening)

  def _stop_listening(self) -> None:
    self._server.should_exit = True


class _Server(uvicorn.Server):
  """uvicorn's, but that signals are ours: it would end the process with them in the end."""

  @contextlib.contextmanager
  def capture_signals(self) -> Generator[None, None, None]:
    yield
