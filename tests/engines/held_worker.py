"""A worker of a cluster that waits before a shard for as long as a test says.

  python -m tests.engines.held_worker HOLD NUM_SHARDS --id=... --provision_endpoint=...

While the file HOLD is there, no worker begins a shard where NUM_SHARDS stand already. So a job is
met in its middle on every machine, however fast or slow, and need not last for that.
"""

import pathlib
import sys
import time

from beam_jobs import process_worker
from beam_jobs.shards import shard
from tests.engines import launcher


def main(hold: pathlib.Path, num_shards: int, *arguments: str) -> None:
  """Is Beam's worker, but for the waiting."""
  write = shard.write_shard

  def held(path, *args, **kwargs):
    while hold.exists() and len(launcher.shards(pathlib.Path(path).parent)) >= num_shards:
      time.sleep(0.05)
    return write(path, *args, **kwargs)

  shard.write_shard = held
  process_worker.main(arguments)


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
