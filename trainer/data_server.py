"""Serves the input pipeline from other machines: the dispatcher or a worker of a tf.data service.

  python -m trainer.data_server --role=dispatcher --port=5050
  python -m trainer.data_server --role=worker --dispatcher=grpc://HOST:5050 --host=WORKER
  python -m trainer --nodeterministic --data_service=grpc://HOST:5050

One dispatcher deals out the work, any number of workers read the records and send batches; they
must find the data set under the same path as the trainer, with the same version of TensorFlow.
Neither knows of passwords or encryption: run them in a network of your own only. SIGTERM ends both.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any

from schemas import command, errors, limits
from tfrecords import command_line
from trainer.data import service_address
from trainer.devices import quiet
from trainer.lazy import tf

DISPATCHER, WORKER = 'dispatcher', 'worker'


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerConfig:
  """One field per flag."""

  role: str | None = command_line.flag(None, f'{DISPATCHER} or {WORKER}.')
  port: int = command_line.flag(
    0,
    'Where it listens; 0: at any free port, which is printed.',
    limits=limits.PORT,
  )
  dispatcher: str = command_line.flag(
    '', 'Of a worker: whom it serves, grpc://HOST:PORT.', needs=('role=worker',)
  )
  host: str = command_line.flag(
    '', 'The name under which others reach this machine; empty: its own name for itself.'
  )
  work_dir: str = command_line.flag(
    '',
    'Of a dispatcher: a folder for its journal, with which it can be started anew in the middle of '
    'a training.',
    is_path=True,
    needs=('role=dispatcher',),
  )

  def __post_init__(self) -> None:
    if self.role not in (DISPATCHER, WORKER):
      raise errors.ConfigError(
        f'--role must be {DISPATCHER} or {WORKER}, got {self.role!r}: a cluster has one dispatcher '
        'and any number of workers.'
      )
    command_line.check(self)
    if self.role == WORKER:
      service_address.split(self.dispatcher, 'dispatcher')


def start(config: ServerConfig) -> tuple[Any, str]:
  """Returns the running server, which lives as long as the object, and its address.

  Raises:
    ConfigError: if the port is taken.
  """
  service = tf.data.experimental.service
  host = config.host or socket.gethostname()
  try:
    if config.role == DISPATCHER:
      server = service.DispatchServer(
        service.DispatcherConfig(
          port=config.port,
          work_dir=config.work_dir or None,
          fault_tolerant_mode=bool(config.work_dir),
        )
      )
      return server, f'grpc://{host}:{server.target.rpartition(":")[2]}'
    name, port = service_address.split(config.dispatcher, 'dispatcher')
    server = service.WorkerServer(
      service.WorkerConfig(
        dispatcher_address=f'{name}:{port}', worker_address=f'{host}:%port%', port=config.port
      )
    )
  except RuntimeError as error:  # `Could not start gRPC server`, and no more.
    raise errors.ConfigError(
      f'Could not listen at port {config.port}: {error}. Is the port taken? --port=0 takes a free '
      'one.'
    ) from error
  return server, config.dispatcher


def main(arguments: Sequence[str]) -> None:
  """Serves until a signal ends it."""
  config = command_line.parse(ServerConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  if config.role == WORKER:
    service_address.check_answers(config.dispatcher, 'dispatcher')
  ended = threading.Event()
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: ended.set())
  quiet.import_tensorflow(debug=command.is_on('debug', arguments))
  _server, address = start(config)
  said = f'listens at {address}' if config.role == DISPATCHER else f'serves {address}'
  print(f'{config.role} {said}', flush=True)
  while not ended.wait(1):  # In pieces, between which Python hears of signals.
    pass
  # TensorFlow would wait for its clients, half a minute and longer. There is nothing to be saved: a
  # dispatcher writes its journal as it goes.
  os._exit(0)


if __name__ == '__main__':
  sys.exit(command.run(main))
