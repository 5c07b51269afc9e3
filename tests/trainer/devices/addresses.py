"""Addresses on loopback for workers that find one another."""

import random
import socket

# Below what the system gives to connections that name no port (32768 and up on Linux): nobody is
# given one of these between our look at it and the worker that listens there.
_FIRST, _BEHIND = 20_000, 32_000


def free(count: int) -> list[str]:
  """Returns addresses at which nobody listens."""
  found: list[str] = []
  sockets = []
  drawn = random.SystemRandom()  # Other processes of the tests draw theirs.
  while len(found) < count:
    port = drawn.randrange(_FIRST, _BEHIND)
    one = socket.socket()
    sockets.append(one)
    try:
      one.bind(('localhost', port))
    except OSError:
      continue
    found.append(f'localhost:{port}')
  for one in sockets:
    one.close()
  return found
