"""`python -m trainer.compare`."""

import sys

from trainer import compare

if __name__ == '__main__':
  sys.exit(compare.run())
