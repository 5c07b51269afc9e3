"""Beam's own job server and worker pool as programs: a portable runner with nothing but Python."""

import contextlib
import os
import pathlib
import socket
import sys
import time
from collections.abc import Callable, Iterator

from tests.engines import free_ports, launcher, process

_START_TIMEOUT_S = 300.0


@contextlib.contextmanager
def job_server(folder: pathlib.Path) -> Iterator[str]:
  """Gives HOST:PORT of a job server for --job_endpoint."""
  port_file = folder / 'port'
  with _running(
    'job server',
    'apache_beam.runners.portability.local_job_service_main',
    f'--port_file={port_file}',
    f'--staging_dir={folder / "staging"}',
    folder=folder,
    is_up=lambda: port_file.exists() and bool(port_file.read_text(encoding='utf-8')),
  ):
    yield f'localhost:{port_file.read_text(encoding="utf-8")}'


@contextlib.contextmanager
def worker_pool(folder: pathlib.Path) -> Iterator[str]:
  """Gives HOST:PORT of a worker pool for --environment_config of EXTERNAL workers."""
  (port,) = free_ports.free_ports(1)

  def answers() -> bool:
    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), timeout=1):
      return True
    return False

  module = 'apache_beam.runners.worker.worker_pool_main'
  with _running('pool', module, f'--service_port={port}', folder=folder, is_up=answers):
    yield f'localhost:{port}'


@contextlib.contextmanager
def _running(
  name: str, module: str, *arguments: str, folder: pathlib.Path, is_up: Callable[[], bool]
) -> Iterator[None]:
  # The pool starts whatever `python` is.
  path = f'{pathlib.Path(sys.executable).parent}:{os.environ.get("PATH", "")}'
  server = process.Process(
    name, [sys.executable, '-m', module, *arguments],
    log_path=folder / f'{name}.log', environment={'PATH': path}, folder=launcher.ROOT,
  )  # fmt: skip
  try:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while not is_up():
      assert server.is_running, server.log_tail()
      assert time.monotonic() < deadline_s, f'The {name} does not answer.\n{server.log_tail()}'
      time.sleep(0.1)
    yield
  finally:
    server.stop()
