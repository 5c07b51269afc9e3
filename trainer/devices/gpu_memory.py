"""How much memory a GPU has, from NVIDIA's management library: TensorFlow does not say."""

from __future__ import annotations

import ctypes

_LIBRARY = 'libnvidia-ml.so.1'


class _Memory(ctypes.Structure):
  """nvmlMemory_t."""

  _fields_ = (
    ('total', ctypes.c_ulonglong),
    ('free', ctypes.c_ulonglong),
    ('used', ctypes.c_ulonglong),
  )


def largest_bytes() -> int | None:
  """Returns the memory of the largest GPU of this machine; None where nobody can tell.

  All of it, taken or not: TensorFlow itself may have taken it, for this process.
  """
  try:
    library = ctypes.CDLL(_LIBRARY)
    if library.nvmlInit_v2():
      return None
  except (OSError, AttributeError):  # No driver, or an old one.
    return None
  try:
    count = ctypes.c_uint()
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    return max(map(lambda i: _total(library, i), range(count.value)), default=0) or None
  finally:
    library.nvmlShutdown()


def _total(library: ctypes.CDLL, index: int) -> int:
  handle, memory = ctypes.c_void_p(), _Memory()
  if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)):
    return 0
  if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
    return 0
  return int(memory.total)
