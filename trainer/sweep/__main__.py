"""Trains with many settings and says which did best."""

import sys

from schemas import command
from trainer import sweep


def run() -> int:
  """Entry point of the program."""
  return command.run(sweep.main, stopped='run the same command again, it goes on.')


if __name__ == '__main__':
  sys.exit(run())
