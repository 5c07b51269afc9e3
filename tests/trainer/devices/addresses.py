"""Addresses on loopback for workers that find one another."""

import socket


def free(count: int) -> list[str]:
  """Returns addresses at which nobody listens."""
  sockets = [socket.socket() for _ in range(count)]
  for one in sockets:
    one.bind(('localhost', 0))
  found = [f'localhost:{one.getsockname()[1]}' for one in sockets]
  for one in sockets:
    one.close()
  return found
