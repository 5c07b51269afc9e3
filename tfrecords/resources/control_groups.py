"""The control groups of this process: what a container or a service manager lets it have."""

import pathlib

ROOT = pathlib.Path('/sys/fs/cgroup')
_MEMBERSHIP = pathlib.Path('/proc/self/cgroup')


def folders(
  controller: str, root: pathlib.Path = ROOT, membership: pathlib.Path = _MEMBERSHIP
) -> list[pathlib.Path]:
  """Returns the folders of the groups that the process is in, the innermost first.

  A limit of a group holds for those inside, so all of them count. Both versions of control groups
  are looked for. In a container the process often sees its own group as the root: so the roots are
  always among them.

  Args:
    controller: Such as `memory` or `cpu`.
    root: Where control groups are mounted.
    membership: Which groups the process is in, as the kernel says it.
  """
  found = []
  for line in read(membership).splitlines():
    _, _, rest = line.partition(':')
    controllers, _, path = rest.partition(':')
    inside = pathlib.PurePosixPath(path.lstrip('/'))
    for base in _mounts(controllers, controller, root):
      found += [base / part for part in (inside, *inside.parents)]
  found += [root, root / controller]
  return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def read(path: pathlib.Path) -> str:
  """Returns the text of a file of the kernel; '' where there is none."""
  try:
    return path.read_text(encoding='utf-8', errors='replace').strip()
  except OSError:
    return ''


def _mounts(controllers: str, wanted: str, root: pathlib.Path) -> list[pathlib.Path]:
  if not controllers:  # Version 2, alone or beside the other.
    return [root, root / 'unified']
  if wanted in controllers.split(','):
    return [root / wanted, root / controllers]
  return []
