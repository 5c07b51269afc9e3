"""`python -m trainer.app`."""

import sys

from trainer import app

if __name__ == '__main__':
  sys.exit(app.run())
