"""What the flags of the input pipeline must fulfil, together and each by itself."""

from __future__ import annotations

import re
import socket

from schemas import errors
from tfrecords.pipeline import caches

_SERVICE = re.compile(r'grpc://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})')
_TIMEOUT_S = 5.0


def check_flags(
  *, cache: str, cache_dir: str, random_data: bool, data_service: str, deterministic: bool
) -> None:
  """Raises ConfigError for values that contradict one another."""
  if (cache == caches.DISK) != bool(cache_dir):
    raise errors.ConfigError(
      f'--cache={cache} and --cache_dir={cache_dir!r} do not fit: name the folder for the copies '
      'with --cache=disk, and only there.'
    )
  if random_data and (data_service or cache != caches.NONE):
    raise errors.ConfigError(
      '--random_data reads no records, so --cache and --data_service have no effect with it. Leave '
      'them away.'
    )
  if not data_service:
    return
  split_address(data_service)
  if cache != caches.NONE:
    raise errors.ConfigError(
      f'--cache={cache} keeps records on this machine, but with --data_service others read them. '
      'Leave one of them away.'
    )
  if deterministic:
    raise errors.ConfigError(
      f'With --data_service={data_service} batches come in the order in which its workers are '
      'ready, so a run cannot be repeated bit for bit. Write --nodeterministic beside it.'
    )


def split_address(address: str, flag: str = 'data_service') -> tuple[str, int]:
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
    socket.create_connection(split_address(address, flag), timeout=_TIMEOUT_S).close()
  except OSError as error:
    raise errors.ConfigError(
      f'Nothing answers at --{flag}={address} ({error}). Start a dispatcher there: python -m '
      'trainer.data_server --role=dispatcher --port=PORT, and workers beside it.'
    ) from error
