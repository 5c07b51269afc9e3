"""`python -m trainer.suspects`."""

import sys

from trainer import suspects

if __name__ == '__main__':
  sys.exit(suspects.run())
