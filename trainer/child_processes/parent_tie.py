"""Lets a process that was started as a child end with its parent, also by SIGKILL of that.

The child's standard input is a pipe that the parent alone holds, which the system closes when the
parent ends, however it does.
"""

import contextlib
import os
import signal
import threading

# Set for a child: it ends when what it reads from ends.
TIED = 'VOXSHARD_ENDS_WITH_ITS_INPUT'


def end_with_parent() -> None:
  """Lets this process end, as by SIGTERM, when who started it as a child is gone."""
  if os.environ.pop(TIED, ''):
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
  # Not by Python's own stream, whose lock would be held when the process ends by itself.
  with contextlib.suppress(OSError):
    while os.read(0, 1):
      pass
  os.kill(os.getpid(), signal.SIGTERM)
