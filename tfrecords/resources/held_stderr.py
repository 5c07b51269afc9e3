"""Swallows what libraries of C++ write to the standard error stream while they are loaded."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def held_back(*, shows_failures: bool = True) -> Iterator[None]:
  """Swallows what is written to file descriptor 2; shows it if the block fails, where wanted."""
  sys.stderr.flush()
  kept = os.dup(2)
  with tempfile.TemporaryFile() as held:
    os.dup2(held.fileno(), 2)
    try:
      yield
    except BaseException:
      if shows_failures:
        held.seek(0)
        os.write(kept, held.read())
      raise
    finally:
      sys.stderr.flush()
      os.dup2(kept, 2)
      os.close(kept)
