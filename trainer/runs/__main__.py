"""python -m trainer.runs: all runs below a folder in a table; see runs_table."""

import sys

from schemas import command
from trainer.runs import runs_table

if __name__ == '__main__':
  sys.exit(command.run(runs_table.main, stopped=command.AGAIN))
