"""One connection: HTTP as uvicorn speaks it, with what it lacks against clients that mean ill."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import h11
from uvicorn.protocols.http import h11_impl

from trainer.serve import refusal


def with_limit(max_head_s: float) -> type[asyncio.Protocol]:
  """Returns a Connection with this limit."""
  return type('Connection', (Connection,), {'max_head_s': max_head_s})


class Connection(h11_impl.H11Protocol):
  """uvicorn's, with a limit of time, errors in JSON, and answers for who sends no more.

  Attributes:
    max_head_s: How long the head of a request may take to arrive, and how long a client may take
      nothing of an answer, in seconds.
  """

  max_head_s = 30.0
  _head_timer: asyncio.TimerHandle | None = None
  _write_timer: asyncio.TimerHandle | None = None

  def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
    """Begins to wait for a request."""
    super().connection_made(transport)
    self._wait_for_head()

  def data_received(self, data: bytes) -> None:
    """Takes what comes, and waits on where the head of a request is not whole yet."""
    super().data_received(data)
    if self._is_between_requests():
      self._wait_for_head()
    else:
      self._stop_waiting()

  def eof_received(self) -> bool:  # type: ignore[override]
    """Keeps the connection for an answer, where the whole request came."""
    if self._is_between_requests() or self.cycle.more_body:
      return False
    self.cycle.keep_alive = False
    return True

  def pause_writing(self) -> None:
    """Waits for a client that does not read."""
    super().pause_writing()
    self._write_timer = self.loop.call_later(self.max_head_s, self.transport.abort)

  def resume_writing(self) -> None:
    """Goes on, where it does."""
    self._stop_writing_timer()
    super().resume_writing()

  def connection_lost(self, exc: Exception | None) -> None:
    """Ends."""
    self._stop_waiting()
    self._stop_writing_timer()
    super().connection_lost(exc)

  def send_400_response(self, msg: str) -> None:
    """Says that this is no HTTP."""
    body = refusal.body(f'Wanted a request of HTTP/1.1, got none ({msg.rstrip(".")}).')
    headers = [
      (b'content-type', b'application/json'),
      (b'content-length', str(len(body)).encode()),
      (b'connection', b'close'),
    ]
    # h11 refuses to send where an answer has begun: then the connection just ends.
    with contextlib.suppress(h11.LocalProtocolError):
      head = h11.Response(status_code=refusal.BAD_REQUEST, headers=headers, reason=b'Bad Request')
      events: list[Any] = [head, h11.Data(data=body), h11.EndOfMessage()]
      for event in events:
        self.transport.write(self.conn.send(event) or b'')
    self.transport.close()

  def _is_between_requests(self) -> bool:
    return self.cycle is None or self.cycle.response_complete

  def _wait_for_head(self) -> None:
    if self._head_timer is None:
      self._head_timer = self.loop.call_later(self.max_head_s, self._close)

  def _stop_waiting(self) -> None:
    if self._head_timer is not None:
      self._head_timer.cancel()
      self._head_timer = None

  def _stop_writing_timer(self) -> None:
    if self._write_timer is not None:
      self._write_timer.cancel()
      self._write_timer = None

  def _close(self) -> None:
    self.transport.close()
