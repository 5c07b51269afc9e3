"""`python -m trainer.listen`."""

import sys

from trainer.listen import listening

if __name__ == '__main__':
  sys.exit(listening.run_program())
