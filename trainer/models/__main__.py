"""python -m trainer.models: what each model takes and costs on a data set; see model_table."""

import sys

from schemas import command
from trainer import model_table

if __name__ == '__main__':
  sys.exit(command.run(model_table.main, stopped=command.AGAIN))
