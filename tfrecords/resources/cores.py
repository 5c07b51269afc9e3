"""How many cores this process may use."""

import math
import os
import pathlib

from tfrecords.resources import control_groups


def usable(groups: pathlib.Path = control_groups.ROOT) -> int:
  """Returns the cores that this process may use at once, at least 1.

  Those of the machine, fewer where the process is bound to some (taskset, cpusets), and fewer where
  a container has a share of time: of one and a half cores it gets two.
  """
  shares = [_share(folder) for folder in control_groups.folders('cpu', groups)]
  return max(1, min([schedulable(), *(math.ceil(share) for share in shares if share)]))


def schedulable() -> int:
  """Returns the cores that this process may be put on; what it gets of their time is another thing.

  This is what TensorFlow takes for its threads.
  """
  if hasattr(os, 'process_cpu_count'):  # From Python 3.13 on; it can be told another number.
    return os.process_cpu_count() or 1
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _share(folder: pathlib.Path) -> float:
  """Returns the cores whose time a control group may take; 0 for no limit."""
  quota, _, period = control_groups.read(folder / 'cpu.max').partition(' ')
  if not quota:  # Version 1, where -1 stands for no limit.
    quota = control_groups.read(folder / 'cpu.cfs_quota_us')
    period = control_groups.read(folder / 'cpu.cfs_period_us')
  if quota.isdigit() and period.isdigit() and int(period):
    return int(quota) / int(period)
  return 0.0
