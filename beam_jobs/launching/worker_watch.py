"""Ends a job of which a worker process is gone, where Beam would wait for it for ever.

Beam notices when a worker ends that is at work. One that ends before it has said hello, as when the
memory is full from the start, it awaits without end.
"""

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Iterator

_PREFIX = 'worker-'
# What Beam's thread says that waits for a worker process, in local_job_service.py.
_WORKER_EXITED = 'Worker subprocess exited with return code'
# So long Beam may take to notice by itself.
_GRACE_S = 5.0
_CHECK_S = 0.1


class WorkerGoneError(Exception):
  """A worker process ended and Beam did not notice."""


def sign_in(folder: str) -> int:
  """Notes that this process is a worker; returns the lock that says so for as long as it lives."""
  os.makedirs(folder, exist_ok=True)
  path = os.path.join(folder, f'{_PREFIX}{os.getpid()}')
  descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
  fcntl.flock(descriptor, fcntl.LOCK_EX)
  return descriptor


@contextlib.contextmanager
def watching(folder: str) -> Iterator[None]:
  """Watches the workers that sign in at `folder` while the body runs.

  Only in the main thread, which a signal can wake; in another one it does nothing.

  Raises:
    WorkerGoneError: in place of the body's wait; the other workers are ended, too.
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  died, over, broken = threading.Event(), threading.Event(), threading.Event()
  previous, main_thread = threading.excepthook, threading.main_thread().ident

  def notice(args: threading.ExceptHookArgs) -> None:
    if _WORKER_EXITED in str(args.exc_value):
      died.set()
    else:
      previous(args)

  def watch() -> None:
    while not over.wait(_CHECK_S):
      if died.is_set() and not over.wait(_GRACE_S):
        broken.set()
        _end_workers(folder)
        # A real signal: the main thread may wait for a lock, which no flag of Python's wakes.
        signal.pthread_kill(main_thread, signal.SIGINT)
        return

  threading.excepthook = notice
  thread = threading.Thread(target=watch, daemon=True)
  thread.start()
  try:
    yield
  except KeyboardInterrupt:
    if broken.is_set():
      raise WorkerGoneError(_WORKER_EXITED) from None
    raise
  finally:
    over.set()
    thread.join()
    threading.excepthook = previous


def _end_workers(folder: str) -> None:
  """Kills the workers that still live: those that hold their lock."""
  for name in sorted(os.listdir(folder)):
    if name.startswith(_PREFIX):
      with open(os.path.join(folder, name), 'rb') as stream:
        try:
          fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
          with contextlib.suppress(ProcessLookupError):
            os.kill(int(name.removeprefix(_PREFIX)), signal.SIGKILL)
