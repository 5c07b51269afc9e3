"""A process that trains again and again, each time in a child that may be killed.

TensorFlow is imported once; children are made before it starts its threads, which takes a tenth of
the time of new processes.

  python -m tests.trainer.runs.killed_runs '[{"config": {...}, "kill_at": 7}, ...]'

prints a JSON list of how each child ended: its exit code, or minus the signal.
"""

import json
import os
import signal
import sys

from trainer import config, run
from trainer.learning import steps
from trainer.runs import run_folder


def _end_at(step: int, number: int) -> None:
  """Sends this process a signal as soon as so many steps of it are done."""
  train, done = steps.Steps.train, [0]

  def counted(self, batches, num_steps):
    found = train(self, batches, num_steps)
    done[0] += num_steps
    if done[0] >= step:
      os.kill(os.getpid(), number)
    return found

  steps.Steps.train = counted


def kill_at(step: int) -> None:
  """Kills this process as soon as so many steps of it are done."""
  _end_at(step, signal.SIGKILL)


def _end_in_write(count: int) -> None:
  """Kills this process when a checkpoint is written but not yet in its place."""
  replace, done = os.replace, [0]

  def counted(source, target):
    done[0] += os.path.basename(target).startswith('state-')  # And not a model.
    if done[0] >= count:
      os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

  class Os:
    def __getattr__(self, name):
      return counted if name == 'replace' else getattr(os, name)

  run_folder.os = Os()


def _train(job: dict) -> int:
  if 'kill_at' in job:
    _end_at(job['kill_at'], signal.SIGKILL)
  if 'terminate_at' in job:
    _end_at(job['terminate_at'], signal.SIGTERM)
  if 'kill_in_write' in job:
    _end_in_write(job['kill_in_write'])
  run.train(config.TrainConfig(**job['config']))
  return 0


def _in_child(job: dict) -> int:
  child = os.fork()
  if not child:
    code = 1
    try:
      os.dup2(2, 1)
      code = _train(job)
    except BaseException as error:
      print(f'{type(error).__name__}: {error}', file=sys.stderr)
    finally:
      sys.stdout.flush()
      os._exit(code)
  _, status = os.waitpid(child, 0)
  return os.waitstatus_to_exitcode(status)


def main() -> None:
  """Runs the jobs of the command line."""
  print(json.dumps([_in_child(job) for job in json.loads(sys.argv[1])]))


if __name__ == '__main__':
  main()
