"""Ports for servers that must be told theirs before they start."""

import contextlib
import pathlib
import random
import socket

_LOWEST = 20_000
_GIVEN = pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range')


def free_ports(count: int) -> list[int]:
  """Returns ports of loopback on which nobody listens.

  They are none that the system gives to connections: of those some client of the many on a busy
  machine has taken one now and then, until a JVM is up and wants it.
  """
  highest = int(_GIVEN.read_text(encoding='ascii').split()[0]) if _GIVEN.exists() else 32_768
  candidates = list(range(_LOWEST, highest)) or [0] * count  # 0: whichever the system gives.
  random.SystemRandom().shuffle(candidates)
  with contextlib.ExitStack() as stack:
    found: list[int] = []
    while len(found) < count:
      one = stack.enter_context(socket.socket())
      with contextlib.suppress(OSError):
        one.bind(('127.0.0.1', candidates.pop()))
        found.append(one.getsockname()[1])
  return found
