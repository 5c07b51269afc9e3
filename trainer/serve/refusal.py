"""What is refused: a status of HTTP and a sentence, which the client gets as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from schemas import rejects

BAD_REQUEST = 400
TIMED_OUT = 408
TOO_LARGE = 413
NO_SUCH_MEDIUM = 415
NOT_USABLE = 422
FAILED = 500
UNAVAILABLE = 503

# Seconds after which a client that was turned away may ask again.
RETRY_AFTER_S = 1

# Of what decoders say, what is no question of the file's content.
_STATUS = {
  **dict.fromkeys(('not_audio', 'not_a_picture', 'no_sound', 'no_decoder'), NO_SUCH_MEDIUM),
  **dict.fromkeys(('too_long', 'too_large'), TOO_LARGE),
}


class RefusedError(Exception):
  """A request that is not answered with what was asked for.

  Attributes:
    status: Of HTTP.
    sentence: What was wanted, what was got, what to do.
    headers: Of the response, beside those that every response has.
  """

  def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
    super().__init__(sentence)
    self.status = status
    self.sentence = sentence
    self.headers = dict(headers or {})


def of_decoder(error: rejects.ClipError) -> RefusedError:
  """Returns what is said of a file that a decoder refused: its own sentence.

  Without the advice of the data job, which names the job's flags.
  """
  return RefusedError(_STATUS.get(error.reason, NOT_USABLE), error.detail)


def busy(sentence: str) -> RefusedError:
  """Returns what is said where there is no room: the same may be asked again."""
  return RefusedError(UNAVAILABLE, sentence, {'Retry-After': str(RETRY_AFTER_S)})


def body(sentence: str) -> bytes:
  """Returns the JSON that a client gets."""
  return json.dumps({'error': sentence}).encode('ascii')
