"""Trains one run after another in one process, in which TensorFlow starts once.

  python -m tests.gpu.runs FILE

FILE is JSON, a list of runs, each a list of flags. Before each its number and its flags are
printed, and after one that failed why; the others go on.
"""

import json
import pathlib
import sys
import traceback

import keras

from trainer import __main__ as trainer


def main() -> None:
  """Trains what the file lists."""
  for i, flags in enumerate(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding='utf-8'))):
    print(i, *flags, flush=True)
    try:
      trainer.main(flags)
    except Exception:
      traceback.print_exc(file=sys.stdout)
    keras.backend.clear_session()


if __name__ == '__main__':
  main()
