"""`python -m trainer.baseline`."""

import sys

from trainer import baseline

if __name__ == '__main__':
  sys.exit(baseline.run())
