"""How long a decoder may take for one clip.

What counts is the processor time of the thread that decodes: neither a slow disk or bucket nor
other threads make a good file too slow. A decoder is asked between blocks, and whenever it reads
from the file; one that neither ends nor reads cannot be ended from inside its process.
"""

import math
import time

from schemas.rejects import ClipError

# As --max_decode_s where nobody says otherwise.
DEFAULT_S = 60.0


class Deadline:
  """The end of the time for one clip, counted from when this is made, in the same thread."""

  def __init__(self, max_s: float = math.inf) -> None:
    """Takes the processor time that there is, in seconds."""
    self.renew(max_s)

  def renew(self, max_s: float) -> None:
    """Gives so much time from now on, where a recording is decoded part by part."""
    self._max_s = max_s
    self._end_s = time.thread_time() + max_s

  def check(self) -> None:
    """Raises ClipError (`too_slow`) when the time is over."""
    if time.thread_time() > self._end_s:
      raise ClipError(
        'too_slow', f'Wanted the clip in {self._max_s:g} s of processor time, got none until then.'
      )
