"""Asks of the outside world to stop: SIGTERM of a machine that is taken away, and Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Requests:
  """Knows whether the run was asked to stop.

  Attributes:
    signal_name: `SIGTERM` or `SIGINT`; '' as long as nobody asked.
  """

  def __init__(self) -> None:
    self.signal_name = ''

  def note(self, number: int, frame: FrameType | None) -> None:
    """Takes a signal. A second Ctrl-C is not asked for but obeyed."""
    del frame
    if number == signal.SIGINT:
      if self.signal_name:
        raise KeyboardInterrupt
      # Not print, which the signal may have interrupted.
      os.write(2, b'\nstopping when these steps are done; Ctrl-C again stops at once\n')
    self.signal_name = signal.Signals(number).name

  @contextlib.contextmanager
  def heard(self) -> Iterator[None]:
    """Notes SIGTERM and Ctrl-C inside the block, instead of ending the process."""
    if threading.current_thread() is not threading.main_thread():
      yield  # Python lets no other thread hear signals.
      return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, self.note) for number in numbers}
    try:
      yield
    finally:
      for number, handler in before.items():
        signal.signal(number, handler)
