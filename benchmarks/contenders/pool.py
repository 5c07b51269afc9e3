"""What the contenders share: clips of a folder, dealt to the processes of a pool."""

import concurrent.futures
import pathlib
import sys
from collections.abc import Callable, Sequence

import threadpoolctl

NUM_SHARDS = 16


def main(write_shard: Callable[[list[str], str], None], arguments: Sequence[str]) -> None:
  """Calls `write_shard(paths, output)` for every shard, in NUM_PROCESSES processes.

  Args:
    write_shard: Featurizes clips into one file.
    arguments: INPUT OUTPUT NUM_PROCESSES.
  """
  if len(arguments) != 3:
    sys.exit('usage: INPUT OUTPUT NUM_PROCESSES')
  source, output, num_processes = arguments
  paths = sorted(str(path) for path in pathlib.Path(source).rglob('*.*'))
  pathlib.Path(output).mkdir(parents=True)
  with concurrent.futures.ProcessPoolExecutor(
    int(num_processes), initializer=_take_one_blas_thread
  ) as pool:
    futures = [
      pool.submit(write_shard, paths[index::NUM_SHARDS], f'{output}/{index:05d}')
      for index in range(NUM_SHARDS)
    ]
    for future in futures:
      future.result()


def _take_one_blas_thread() -> None:
  # A BLAS pool in every process would fight over the cores: two processes were slower than one.
  threadpoolctl.threadpool_limits(limits=1)
