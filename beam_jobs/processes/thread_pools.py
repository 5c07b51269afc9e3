"""Keeps the pools of libraries to one thread, where other workers use the cores."""

import contextlib
import sys

import threadpoolctl

# How many modules were loaded when the libraries were looked for, and what was found: that takes
# some 5 ms beside TensorFlow, and libraries come with modules alone.
_found: tuple[int, threadpoolctl.ThreadpoolController] | None = None


def one(user_api: str | None = None) -> contextlib.AbstractContextManager[object]:
  """Limits pools of all that is loaded to one thread while the body runs.

  Args:
    user_api: Of which kind, such as `blas`, the linear algebra of NumPy and SciPy; None: of all.
  """
  global _found
  num_modules = len(sys.modules)
  if _found is None or _found[0] != num_modules:
    _found = num_modules, threadpoolctl.ThreadpoolController()
  return _found[1].limit(limits=1, user_api=user_api)
