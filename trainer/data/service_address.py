"""The address of a tf.data service: how it is written, and whether anyone answers there."""

from __future__ import annotations

import re
import socket

from schemas import errors

_SERVICE = re.compile(r'grpc://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})')
_TIMEOUT_S = 5.0


def split(address: str, flag: str = 'data_service') -> tuple[str, int]:
  """Returns host and port of `grpc://HOST:PORT`.

  Raises:
    ConfigError: if it is none.
  """
  match = _SERVICE.fullmatch(address)
  if not match or not 0 < int(match['port']) < 65536:
    raise errors.ConfigError(
      f'--{flag} must be such as grpc://localhost:5050, got {address!r}. Start a dispatcher there '
      'with python -m trainer.data_server --role=dispatcher --port=5050'
    )
  return match['host'].strip('[]'), int(match['port'])


def check_answers(address: str, flag: str = 'data_service') -> None:
  """Raises ConfigError if nothing listens at an address: TensorFlow would wait without a word."""
  try:
    socket.create_connection(split(address, flag), timeout=_TIMEOUT_S).close()
  except OSError as error:
    raise errors.ConfigError(
      f'Nothing answers at --{flag}={address} ({error}). Start a dispatcher there: python -m '
      'trainer.data_server --role=dispatcher --port=PORT, and workers beside it.'
    ) from error
