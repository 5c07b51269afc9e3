"""`python -m trainer.serve`."""

import sys

from trainer.serve import serving

if __name__ == '__main__':
  sys.exit(serving.run_program())
