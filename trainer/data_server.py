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

from absl import flags

from schemas import command, errors
from trainer import command_line
from trainer.data import input_checks
from trainer.devices import quiet

DISPATCHER, WORKER = 'dispatcher', 'worker'


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerConfig:
  """One field per flag; what the flags say stands in `define`."""

  role: str | None = None
  port: int = 0
  dispatcher: str = ''
  host: str = ''
  work_dir: str = ''

  def __post_init__(self) -> None:
    if self.role not in (DISPATCHER, WORKER):
      raise errors.ConfigError(
        f'--role must be {DISPATCHER} or {WORKER}, got {self.role!r}: a cluster has one dispatcher '
        'and any number of workers.'
      )
    if not 0 <= self.port < 65536:
      raise errors.ConfigError(f'--port must be 0 (any) to 65535, got {self.port}.')
    if self.role == WORKER:
      input_checks.split_address(self.dispatcher, 'dispatcher')
      if self.work_dir:
        raise errors.ConfigError('--work_dir is for --role=dispatcher: workers keep nothing.')
    elif self.dispatcher:
      raise errors.ConfigError(
        '--dispatcher is for --role=worker: it names whom the worker serves.'
      )


def define(flag_values: flags.FlagValues) -> None:
  """Defines the flags on `flag_values`."""
  flags.DEFINE_string('role', None, f'{DISPATCHER} or {WORKER}.', flag_values=flag_values)
  flags.DEFINE_integer(
    'port', 0, 'Where it listens; 0: at any free port, which is printed.', flag_values=flag_values
  )
  flags.DEFINE_string(
    'dispatcher', '', 'Of a worker: whom it serves, grpc://HOST:PORT.', flag_values=flag_values
  )
  flags.DEFINE_string(
    'host', '', 'The name under which others reach this machine; empty: its own name for itself.',
    flag_values=flag_values,
  )  # fmt: skip
  flags.DEFINE_string(
    'work_dir', '', 'Of a dispatcher: a folder for its journal, with which it can be started anew '
    'in the middle of a training.', flag_values=flag_values,
  )  # fmt: skip
  command_line.define_shared(flag_values)


def start(config: ServerConfig) -> tuple[Any, str]:
  """Returns the running server, which lives as long as the object, and its address.

  Raises:
    ConfigError: if the port is taken.
  """
  import tensorflow as tf

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
    name, port = input_checks.split_address(config.dispatcher, 'dispatcher')
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
  flag_values = flags.FlagValues()
  define(flag_values)
  leftovers = command_line.parse(flag_values, arguments)
  if flag_values['help'].value:
    print(command_line.help_text(__doc__ or '', flag_values))
    return
  command_line.refuse_leftovers(leftovers)
  names = [field.name for field in dataclasses.fields(ServerConfig)]
  config = ServerConfig(**{name: flag_values[name].value for name in names})
  if config.role == WORKER:
    input_checks.check_answers(config.dispatcher, 'dispatcher')
  ended = threading.Event()
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: ended.set())
  quiet.import_tensorflow(debug=flag_values['debug'].value)
  _server, address = start(config)
  said = f'listens at {address}' if config.role == DISPATCHER else f'serves {address}'
  print(f'{config.role} {said}', flush=True)
  while not ended.wait(1):  # In pieces, between which Python hears of signals.
    pass
  # TensorFlow would wait for its clients, half a minute and longer. There is nothing to be saved: a
  # dispatcher writes its journal as it goes.
  os._exit(0)


def run() -> int:
  """Entry point."""
  return command.run(main)


if __name__ == '__main__':
  sys.exit(run())
