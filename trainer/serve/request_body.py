"""The body of a request: read within limits, and what file is in it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import python_multipart
from python_multipart import exceptions as multipart_errors

from schemas import medium
from trainer.serve import refusal

if TYPE_CHECKING:
  from starlette import requests

JSON, MULTIPART = 'application/json', 'multipart/form-data'
_ANY = ('application/octet-stream', 'application/ogg', 'application/mp4')
_KINDS = {
  # Browsers call what they record of a microphone video/webm or video/mp4 too.
  medium.AUDIO: ('audio/', 'video/'),
  medium.PICTURES: ('image/',),
}
# So much of a body that is too large is read and thrown away, for so long: most clients hear the
# answer only when they have sent everything.
_DISCARDED, _DISCARD_S = 8, 5.0
_MAX_PARTS = 16
_SEND = (
  'Send a file as it is with its type (curl --data-binary @FILE -H "Content-Type: %s"), or as a '
  'form (curl -F file=@FILE).'
)


class Room:
  """How many bytes of bodies and clips are held at once, of all requests.

  Attributes:
    num_bytes: The most.
    num_taken: Those that are held.
  """

  def __init__(self, num_bytes: int) -> None:
    self.num_bytes = num_bytes
    self.num_taken = 0

  @contextlib.contextmanager
  def held(self) -> Iterator[Held]:
    """Gives what takes a part of the room, all of which is free again afterwards."""
    held = Held(self)
    try:
      yield held
    finally:
      held.set(0)


class Held:
  """What one request holds."""

  def __init__(self, room: Room) -> None:
    self._room = room
    self._num_bytes = 0

  def set(self, num_bytes: int) -> None:
    """Holds so much from now on.

    Raises:
      RefusedError: if there is no room.
    """
    more = num_bytes - self._num_bytes
    if more > 0 and self._room.num_taken + more > self._room.num_bytes:
      raise refusal.busy('The server holds as much as it may of other requests. Ask again later.')
    self._room.num_taken += more
    self._num_bytes = num_bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Upload:
  """What a request brings.

  Attributes:
    content: A whole file, or JSON.
    name: What the client calls the file; '' where it does not.
    is_json: Whether it is samples in JSON.
  """

  content: bytes
  name: str = ''
  is_json: bool = False


async def read(request: requests.Request, held: Held, *, max_bytes: int, max_s: float) -> bytes:
  """Returns the body of a request.

  Args:
    request: Of which nothing was read.
    held: Holds what is read.
    max_bytes: The longest body.
    max_s: The longest that it may take to arrive, in seconds.

  Raises:
    RefusedError: if it is too long, too slow or cut, or there is no room.
  """
  if request.headers.get('content-encoding', 'identity').lower() != 'identity':
    raise refusal.RefusedError(
      refusal.NO_SUCH_MEDIUM,
      'Wanted a body without Content-Encoding, got one that is compressed. Send the file as it is.',
    )
  too_large = refusal.RefusedError(
    refusal.TOO_LARGE,
    f'Wanted a body of at most {max_bytes:,} bytes, got more. Send a shorter or a compressed '
    'recording (FLAC, Opus), or raise --max_body_mib.',
    {'Connection': 'close'},
  )
  if int(request.headers.get('content-length', '0')) > max_bytes:
    if 'expect' not in request.headers:  # Who expects an answer has sent nothing yet.
      await _discard(request, _DISCARDED * max_bytes)
    raise too_large
  body = bytearray()
  try:
    async with asyncio.timeout(max_s):
      async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
          await _discard(request, _DISCARDED * max_bytes)
          raise too_large
        held.set(len(body))
  except TimeoutError as error:
    raise refusal.RefusedError(
      refusal.TIMED_OUT,
      f'Wanted the whole body within {max_s:g} s, got {len(body):,} bytes until then.',
      {'Connection': 'close'},
    ) from error
  except _gone() as error:
    raise refusal.RefusedError(
      refusal.BAD_REQUEST, f'The connection ended after {len(body):,} bytes of the body.'
    ) from error
  return bytes(body)


async def _discard(request: requests.Request, max_bytes: int) -> None:
  num_bytes = 0
  with contextlib.suppress(TimeoutError, _gone(), RuntimeError):
    async with asyncio.timeout(_DISCARD_S):
      async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes > max_bytes:
          break


def _gone() -> type[Exception]:
  """Returns what Starlette raises where a client is gone."""
  # Here, not above: a decoder reads forms, and has no need of a web server.
  from starlette import requests

  return requests.ClientDisconnect


def check_type(content_type: str, kind: str) -> None:
  """Raises RefusedError for a Content-Type that a model cannot be asked about, before any is read.

  Args:
    content_type: As the request has it, or ''.
    kind: What the model takes: one of schemas.medium.MEDIA.
  """
  name = _plain(content_type)
  if name in (MULTIPART, *_ANY) or name.startswith(_KINDS[kind]):
    return
  if name == JSON and kind == medium.AUDIO:
    return
  wanted = 'audio' if kind == medium.AUDIO else 'a picture'
  example = 'audio/wav' if kind == medium.AUDIO else 'image/png'
  raise refusal.RefusedError(
    refusal.NO_SUCH_MEDIUM,
    f'Wanted {wanted}, got a body of the type {name[:100] or "nothing"!r}. {_SEND % example}',
  )


def upload(body: bytes, content_type: str) -> Upload:
  """Returns what is in a body.

  Raises:
    RefusedError: if it is a form without a file, with several, or damaged.
  """
  name = _plain(content_type)
  if name != MULTIPART:
    return Upload(content=body, is_json=name == JSON)
  files = _files(body, content_type)
  if len(files) != 1:
    raise refusal.RefusedError(
      refusal.NOT_USABLE,
      f'Wanted a form with one file, got {len(files)}. Send each in a request of its own '
      '(curl -F file=@FILE).',
    )
  return files[0]


def _plain(content_type: str) -> str:
  return content_type.partition(';')[0].strip().lower()


def _files(body: bytes, content_type: str) -> list[Upload]:
  """Returns the files of a form; other fields are refused."""
  _, options = python_multipart.multipart.parse_options_header(content_type)
  form = _Form(body)
  try:
    parser = python_multipart.MultipartParser(options.get(b'boundary', b''), form.callbacks())
    parser.write(body)
    parser.finalize()
  except (multipart_errors.FormParserError, ValueError) as error:
    raise refusal.RefusedError(
      refusal.NOT_USABLE, 'Wanted a whole form (multipart/form-data), got one that is damaged.'
    ) from error
  if not form.is_whole:
    raise refusal.RefusedError(
      refusal.NOT_USABLE, 'Wanted a whole form (multipart/form-data), got one that ends before.'
    )
  return form.files


class _Form:
  """Collects what a parser calls back."""

  def __init__(self, body: bytes) -> None:
    self._body = body
    self._num_parts = 0
    self.files: list[Upload] = []
    self.is_whole = False

  def callbacks(self) -> dict[str, object]:
    return {
      'on_part_begin': self._begin,
      'on_header_begin': self._begin_header,
      'on_header_field': self._header_field,
      'on_header_value': self._header_value,
      'on_header_end': self._end_header,
      'on_headers_finished': self._end_headers,
      'on_part_data': self._data,
      'on_part_end': self._end,
      'on_end': self._end_form,
    }

  def _begin(self) -> None:
    self._num_parts += 1
    if self._num_parts > _MAX_PARTS:
      raise refusal.RefusedError(
        refusal.NOT_USABLE, f'Wanted a form with one file, got more than {_MAX_PARTS} parts.'
      )
    self._headers: dict[bytes, bytes] = {}
    self._content = bytearray()

  def _begin_header(self) -> None:
    self._field, self._value = b'', b''

  def _header_field(self, data: bytes, start: int, end: int) -> None:
    self._field += data[start:end]

  def _header_value(self, data: bytes, start: int, end: int) -> None:
    self._value += data[start:end]

  def _end_header(self) -> None:
    self._headers[self._field.lower()] = self._value

  def _end_headers(self) -> None:
    disposition = self._headers.get(b'content-disposition', b'')
    _, self._options = python_multipart.multipart.parse_options_header(disposition)
    if b'filename' not in self._options:
      field = self._options.get(b'name', b'').decode('utf-8', 'replace')
      raise refusal.RefusedError(
        refusal.NOT_USABLE,
        f'Wanted a form with one file and nothing else, got the field {field[:100]!r}. Settings '
        'stand in the address, as ?top=3.',
      )

  def _data(self, data: bytes, start: int, end: int) -> None:
    self._content += data[start:end]

  def _end(self) -> None:
    name = self._options[b'filename'].decode('utf-8', 'replace')
    self.files.append(Upload(content=bytes(self._content), name=name))

  def _end_form(self) -> None:
    self.is_whole = True
