"""Ends a helper process as soon as the process that started it is gone, also by SIGKILL.

A worker that outlived its launcher would go on writing while the next launcher is at work.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h.
_CHECK_S = 0.5


def end_with_parent(parent_pid: int) -> None:
  """Ends this process when its parent does: on Linux at once, elsewhere within half a second.

  Args:
    parent_pid: The parent as it knows itself: it may be gone before this is called.
  """
  # OSError, AttributeError: not Linux. The signal comes when the thread ends that forked; Beam's
  # waits for its worker.
  with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
  if os.getppid() != parent_pid:
    os._exit(1)
  threading.Thread(target=_watch, args=(parent_pid,), daemon=True).start()


def _watch(parent_pid: int) -> None:
  while os.getppid() == parent_pid:
    time.sleep(_CHECK_S)
  os._exit(1)
