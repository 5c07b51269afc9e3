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


def end_with_parent(parent_pid: int, *, watches: bool = True) -> None:
  """Ends this process when its parent does: on Linux at once, elsewhere within half a second.

  Args:
    parent_pid: The parent as it knows itself: it may be gone before this is called.
    watches: Whether a thread looks for the parent. Without it, elsewhere than on Linux, the process
      has to see by itself that it is alone; a process that forks has no thread but its own.
  """
  # OSError, AttributeError: not Linux. The signal comes when the thread ends that forked: it has to
  # live as long as the process is wanted, as Beam's does, which waits for its worker.
  with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
  if os.getppid() != parent_pid:
    os._exit(1)
  if watches:
    threading.Thread(target=_watch, args=(parent_pid,), daemon=True).start()


def _watch(parent_pid: int) -> None:
  while os.getppid() == parent_pid:
    time.sleep(_CHECK_S)
  os._exit(1)
