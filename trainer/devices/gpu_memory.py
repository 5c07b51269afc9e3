"""How much memory a GPU has, from NVIDIA's management library: TensorFlow does not say."""

from __future__ import annotations

import ctypes
import os

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
  totals = _totals()
  return max(totals, default=0) or None


def visible() -> tuple[str, ...]:
  """Returns the GPUs that a process may use, as CUDA_VISIBLE_DEVICES names them."""
  named = os.environ.get('CUDA_VISIBLE_DEVICES')
  if named is not None:
    return tuple(part.strip() for part in named.split(',') if part.strip())
  return tuple(map(str, range(len(_totals()))))


def _totals() -> list[int]:
  """Returns the memory of every GPU of this machine, 0 where it is not told."""
  try:
    library = ctypes.CDLL(_LIBRARY)
    if library.nvmlInit_v2():
      return []
  except (OSError, AttributeError):  # No driver, or an old one.
    return []
  try:
    count = ctypes.c_uint()
    library.nvmlDeviceGetCount_v2(ctypes.byref(count))
    return [_total(library, index) for index in range(count.value)]
  finally:
    library.nvmlShutdown()


def _total(library: ctypes.CDLL, index: int) -> int:
  handle, memory = ctypes.c_void_p(), _Memory()
  if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)):
    return 0
  if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
    return 0
  return int(memory.total)
