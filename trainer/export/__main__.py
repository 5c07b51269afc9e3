"""`python -m trainer.export`."""

import sys

from trainer.export import exporting

if __name__ == '__main__':
  sys.exit(exporting.run_program())
