"""What a request brings, decoded in a process apart: its program, and who asks it.

Everything that looks into a body happens there: forms, JSON, containers, codecs, resampling. The
server itself counts its bytes and passes them on.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exports import export_file
from exports import windows as windows_lib
from trainer.decoders import decoder_pool, decoder_process
from trainer.serve import intake as intake_lib
from trainer.serve import refusal, request_body

PROGRAM = 'trainer.serve.upload_decoder'

_WHOLE, _WINDOWS = 'whole', 'windows'
_REFUSED, _NAME = 'refused', 'name'
# What is said where the decoder itself broke at a file.
_STATUS = {
  decoder_pool.Cause.CRASHED: refusal.NOT_USABLE,
  decoder_pool.Cause.TOO_SLOW: refusal.NOT_USABLE,
  decoder_pool.Cause.NO_MEMORY: refusal.TOO_LARGE,
}


class UploadDecoder:
  """Asks the processes. Each method is called in threads, several at once."""

  def __init__(self, pool: decoder_pool.DecoderPool) -> None:
    """Takes decoders that are, or will be, set up by `settings`."""
    self._pool = pool

  @staticmethod
  def settings(intake: intake_lib.Intake) -> dict[str, Any]:
    """Returns what decoders are set up with, to decode as `intake` says."""
    return {
      'export': intake.export.to_json(),
      'max_s': intake.max_s,
      'max_decode_s': intake.max_decode_s,
      'max_windows': intake.max_windows,
    }

  def whole(self, body: bytes, content_type: str) -> tuple[str, intake_lib.Heard]:
    """Returns what the file of a request is called, and its clip or picture.

    Raises:
      RefusedError: with what the decoder says, if it cannot be used.
    """
    with _telling():
      [piece] = self._pool.ask(_WHOLE, {'type': content_type}, body)
    name = _said(piece).get(_NAME, '')
    return name, _heard(piece)

  def windows(
    self,
    body: bytes,
    content_type: str,
    asked: windows_lib.Windows,
    *,
    at_once: int,
    most: int,
  ) -> Iterator[tuple[str, list[intake_lib.Heard]]]:
    """Yields what the recording of a request is called, and some of its windows.

    Args:
      body: Of the request.
      content_type: Its type.
      asked: Where the windows lie.
      at_once: How many are yielded together.
      most: As many as the answer may be about.

    Raises:
      RefusedError: as `whole`; also if they are too many.
    """
    settings = {
      'type': content_type, 'window_s': asked.window_s, 'hop_s': asked.hop_s, 'at_once': at_once,
      'most': most,
    }  # fmt: skip
    with _telling():
      for part in self._pool.stream(_WINDOWS, settings, body):
        yield _said(part[0]).get(_NAME, ''), [_heard(piece) for piece in part]


@contextlib.contextmanager
def _telling() -> Iterator[None]:
  """Turns what is wrong with a decoder into what is said of a request."""
  try:
    yield
  except decoder_pool.DecoderLostError as error:
    raise refusal.RefusedError(_STATUS[error.cause], str(error)) from error
  except decoder_pool.NoDecoderError as error:
    raise refusal.busy(f'{error} Ask again in a few seconds.') from error


def _said(piece: decoder_process.Piece) -> Mapping[str, Any]:
  """Returns what is said of a piece; raises RefusedError where that is a refusal."""
  if _REFUSED in piece.said:
    raise refusal.RefusedError(**piece.said[_REFUSED])
  return piece.said


def _heard(piece: decoder_process.Piece) -> intake_lib.Heard:
  assert piece.values is not None
  said = {name: value for name, value in piece.said.items() if name != _NAME}
  return intake_lib.Heard(values=piece.values, **said)


def make(settings: Mapping[str, Any]) -> dict[str, decoder_process.Handler]:
  """Returns what a decoder can do: a decoder_process.Maker."""
  export = export_file.Export.from_json(settings['export'], where='export')
  intake = intake_lib.Intake(**{**settings, 'export': export})
  intake.warm_up()
  return {
    _WHOLE: functools.partial(_decode_whole, intake),
    _WINDOWS: functools.partial(_decode_windows, intake),
  }


def _decode_whole(
  intake: intake_lib.Intake, settings: Mapping[str, Any], body: bytes
) -> Iterator[Sequence[decoder_process.Piece]]:
  try:
    upload = request_body.upload(body, settings['type'])
    yield [_piece(intake.whole(upload), upload.name)]
  except refusal.RefusedError as error:
    yield [_refused(error)]


def _decode_windows(
  intake: intake_lib.Intake, settings: Mapping[str, Any], body: bytes
) -> Iterator[Sequence[decoder_process.Piece]]:
  asked = windows_lib.Windows(window_s=settings['window_s'], hop_s=settings['hop_s'])
  try:
    upload = request_body.upload(body, settings['type'])
    most = settings['most']
    for part in intake.windows(upload, asked, at_once=settings['at_once'], most=most):
      yield [_piece(heard, upload.name) for heard in part]
  except refusal.RefusedError as error:
    yield [_refused(error)]


def _piece(heard: intake_lib.Heard, name: str) -> decoder_process.Piece:
  said = {
    _NAME: name,
    'start_s': heard.start_s,
    'end_s': heard.end_s,
    'heard_s': heard.heard_s,
    'whole_s': heard.whole_s,
  }
  return decoder_process.Piece(said=said, values=heard.values)


def _refused(error: refusal.RefusedError) -> decoder_process.Piece:
  if decoder_process.of_memory(error):
    raise MemoryError
  said = {'status': error.status, 'sentence': error.sentence, 'headers': error.headers}
  return decoder_process.Piece(said={_REFUSED: said})


if __name__ == '__main__':
  decoder_process.run(make, sys.argv[1:])
