"""How much memory this process may still take."""

import pathlib

# The limit of a container, and what of it is taken: version 2 of control groups, then version 1.
_GROUPS = (
  ('memory.max', 'memory.current'),
  ('memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes'),
)


def free_bytes(
  meminfo: pathlib.Path = pathlib.Path('/proc/meminfo'),
  groups: pathlib.Path = pathlib.Path('/sys/fs/cgroup'),
) -> int | None:
  """Returns the bytes that are free, on the machine or in the container; None if none can tell."""
  found = []
  for line in _read(meminfo).splitlines():
    if line.startswith('MemAvailable:'):
      found.append(int(line.split()[1]) << 10)
  for limit_name, usage_name in _GROUPS:
    limit, usage = _read(groups / limit_name).strip(), _read(groups / usage_name).strip()
    if limit.isdigit() and usage.isdigit():  # Without a limit it says `max`.
      found.append(max(0, int(limit) - int(usage)))
  return min(found, default=None)


def _read(path: pathlib.Path) -> str:
  try:
    return path.read_text(encoding='utf-8')
  except OSError:
    return ''
