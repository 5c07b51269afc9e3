"""Cores and memory: those of the machine, or less where a container or a mask says so."""

import os
import subprocess
import sys

import pytest

from tfrecords.resources import control_groups, cores, free_memory


@pytest.fixture
def groups(tmp_path):
  """A tree of control groups that limits nothing yet, and a function that writes into it."""

  def write(**files):
    for name, text in files.items():
      path = tmp_path / name.replace('__', '/').replace('_dot_', '.')
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_text(text)
    return tmp_path

  return write


def test_the_groups_of_both_versions_count_and_all_above_them(groups, tmp_path):
  membership = tmp_path / 'membership'
  membership.write_text('4:cpu,cpuacct:/slice/job\n3:memory:/elsewhere\n0::/user/me\n')
  root = tmp_path / 'fs'
  for folder in ('cpu/slice/job', 'user/me', 'memory'):
    (root / folder).mkdir(parents=True)
  found = control_groups.folders('cpu', root, membership)
  assert [str(folder.relative_to(root)) for folder in found] == [
    'cpu/slice/job', 'cpu/slice', 'cpu', 'user/me', 'user', '.',
  ]  # fmt: skip
  # In a container the host's path leads nowhere: the root is the container's own group.
  assert root / 'memory' in control_groups.folders('memory', root, membership)
  assert control_groups.folders('memory', root, tmp_path / 'none') == [root, root / 'memory']


@pytest.mark.parametrize(
  ('files', 'wanted'),
  [
    ({'cpu_dot_max': 'max 100000\n'}, 8),
    ({'cpu_dot_max': '300000 100000\n'}, 3),
    ({'cpu_dot_max': '150000 100000\n'}, 2),
    ({'cpu_dot_max': '10000 100000\n'}, 1),
    ({'cpu__cpu_dot_cfs_quota_us': '-1\n', 'cpu__cpu_dot_cfs_period_us': '100000\n'}, 8),
    ({'cpu__cpu_dot_cfs_quota_us': '200000\n', 'cpu__cpu_dot_cfs_period_us': '100000\n'}, 2),
  ],
)
def test_cores_are_no_more_than_the_share_of_a_container(groups, monkeypatch, files, wanted):
  monkeypatch.setattr(cores, 'schedulable', lambda: 8)
  assert cores.usable(groups(**files)) == wanted


@pytest.mark.skipif(not hasattr(os, 'sched_setaffinity'), reason='cores cannot be chosen here')
def test_workers_are_no_more_than_the_cores_that_the_process_is_bound_to():
  code = (
    'import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); '
    'from tfrecords.resources import cores; print(cores.usable())'
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
  assert done.stdout == '1\n'


def test_free_memory_is_that_of_the_machine_or_of_the_container(groups, tmp_path):
  meminfo = tmp_path / 'meminfo'
  meminfo.write_text('MemTotal: 100 kB\nMemAvailable:    2000 kB\n')
  free = free_memory.free_bytes
  assert free(tmp_path / 'none', tmp_path) is None
  assert free(meminfo, tmp_path) == 2_048_000
  groups(memory_dot_max='max\n', memory_dot_current='5\n')
  assert free(meminfo, tmp_path) == 2_048_000
  groups(memory_dot_max='1005\n')
  assert free(meminfo, tmp_path) == 1_000
  groups(memory_dot_current='900\n')
  assert free(meminfo, tmp_path) == 105
  # What is read from files stays in memory as long as nobody wants it.
  groups(memory_dot_stat='anon 200\nfile 700\ninactive_file 600\nactive_file 95\nshmem 5\n')
  assert free(meminfo, tmp_path) == 800
  assert free() > 0


def test_free_memory_in_the_first_version_of_control_groups(groups, tmp_path):
  groups(
    memory__memory_dot_limit_in_bytes='5000\n',
    memory__memory_dot_usage_in_bytes='4000\n',
    memory__memory_dot_stat='inactive_file 1\nactive_file 2\ntotal_inactive_file 1500\n'
    'total_active_file 500\n',
  )
  assert free_memory.free_bytes(tmp_path / 'none', tmp_path) == 3_000
  groups(memory__memory_dot_limit_in_bytes='9223372036854771712\n')
  meminfo = tmp_path / 'meminfo'
  meminfo.write_text('MemAvailable: 7 kB\n')
  assert free_memory.free_bytes(meminfo, tmp_path) == 7168
