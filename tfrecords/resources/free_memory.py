"""How much memory this process may still take."""

import pathlib
import re

from tfrecords.resources import control_groups

_MEMINFO = pathlib.Path('/proc/meminfo')
# The limit of a group, and what of it is taken: version 2 of control groups, then version 1.
_FILES = (
  ('memory.max', 'memory.current'),
  ('memory.limit_in_bytes', 'memory.usage_in_bytes'),
)
# Files that the kernel holds in memory count as taken, and make room when it is wanted.
_PAGE_CACHE = re.compile(r'^(?:total_)?(?:in)?active_file (\d+)$', re.MULTILINE)
_PAGE_CACHE_OF_ALL = re.compile(r'^total_(?:in)?active_file (\d+)$', re.MULTILINE)


def free_bytes(
  meminfo: pathlib.Path = _MEMINFO, groups: pathlib.Path = control_groups.ROOT
) -> int | None:
  """Returns the bytes that are free, on the machine or in the container; None if none can tell."""
  found = []
  for line in control_groups.read(meminfo).splitlines():
    if line.startswith('MemAvailable:'):
      found.append(int(line.split()[1]) << 10)
  for folder in control_groups.folders('memory', groups):
    for limit_name, usage_name in _FILES:
      limit = control_groups.read(folder / limit_name)
      usage = control_groups.read(folder / usage_name)
      if limit.isdigit() and usage.isdigit():  # Without a limit it says `max`.
        taken = int(usage) - _page_cache_bytes(folder)
        found.append(max(0, int(limit) - max(0, taken)))
  return min(found, default=None)


def _page_cache_bytes(folder: pathlib.Path) -> int:
  text = control_groups.read(folder / 'memory.stat')
  # Version 1 says it of the group alone, then of all that are inside too.
  found = _PAGE_CACHE_OF_ALL.findall(text) or _PAGE_CACHE.findall(text)
  return sum(map(int, found))
