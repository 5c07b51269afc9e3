"""Keeps memory that was freed in the process: every batch would be new memory to the kernel."""

import ctypes
import sys

# Of <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Largest value that glibc takes.
_MMAP_BYTES = 32 << 20
_TRIM_BYTES = 512 << 20


def keep_freed_memory() -> bool:
  """Tells glibc to hold up to 512 MiB of freed memory ready; returns whether it does.

  By default it gives blocks of megabytes back at once, and the kernel fills each page of the next
  one with zeros. Measured with batches of 256 clips 98x80: 15 to 20 % less CPU for a clip.
  """
  if not sys.platform.startswith('linux'):
    return False
  try:
    mallopt = ctypes.CDLL('libc.so.6').mallopt
  except (OSError, AttributeError):  # Another C library.
    return False
  return bool(mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES) and mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES))
