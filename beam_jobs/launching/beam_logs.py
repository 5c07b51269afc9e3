"""What is shown of the logs of Beam, its runners and its workers."""

import contextlib
import logging
import threading
from collections.abc import Iterator

_LINE_CHARS = 400
# Loggers that say where a remote job is to be found, and how it stands.
_RUNNER_LOGS = ('apache_beam.runners.dataflow', 'apache_beam.runners.portability.portable_runner')


@contextlib.contextmanager
def shown(*, debug: bool, is_local: bool) -> Iterator[None]:
  """Shows all that Beam logs in --debug; of remote runners, where the job is and how it stands.

  Workers log the traceback of every error; its sentence comes by the side channel.
  """
  if debug:
    # Forced: Beam may have set up logging before, to a stderr that is no more.
    logging.basicConfig(level=logging.INFO, force=True)
    yield
    return
  level, hook = logging.root.manager.disable, threading.excepthook
  if is_local:
    logging.disable(logging.ERROR)
  else:
    _show_runner_only()
  # Threads that waited for a worker complain when it ends before its time, as after Ctrl-C.
  threading.excepthook = lambda args: None
  interrupted = False
  try:
    yield
  except KeyboardInterrupt:
    # The program ends now, and so do its workers: neither is worth a traceback.
    interrupted = True
    raise
  finally:
    if not interrupted:
      logging.disable(level)
      threading.excepthook = hook


def _show_runner_only() -> None:
  """Shows what the runner says of the job, not what the parts of Beam say of themselves."""
  shown = logging.StreamHandler()
  shown.addFilter(lambda record: record.name.startswith(_RUNNER_LOGS) and _is_short(record))
  logging.basicConfig(level=logging.INFO, format='%(message)s', handlers=[shown], force=True)


def _is_short(record: logging.LogRecord) -> bool:
  """Whether it is a line for people: Dataflow's client also lists all options and requests."""
  text = record.getMessage()
  return '\n' not in text and len(text) <= _LINE_CHARS
