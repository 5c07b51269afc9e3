"""Trains a classifier on a data set of the data job, and judges it.

  python -m trainer
  python -m trainer --data=/data/digits --model=cnn:filters=64 --run_dir=runs/digits
  python -m trainer --strategy=mirrored --precision=mixed_bfloat16 --model=vgg16

Without flags it trains on the demo corpus, which `python -m beam_jobs.featurize` makes. The run
folder holds the best and the last model, the curves for TensorBoard, and the report on the test
split. Then:

  python -m trainer.evaluate --run_dir=runs/digits
  python -m trainer.predict --run_dir=runs/digits FILE...
"""

import sys
from collections.abc import Sequence

from absl import flags

from schemas import command
from trainer import command_line, preflight
from trainer import flags as trainer_flags
from trainer.devices import allocator, quiet


def main(arguments: Sequence[str]) -> None:
  """Trains what the arguments ask for."""
  flag_values = flags.FlagValues()
  trainer_flags.define(flag_values)
  leftovers = command_line.parse(flag_values, arguments)
  if flag_values['help'].value:
    print(command_line.help_text(__doc__, flag_values))
    return
  command_line.refuse_leftovers(leftovers)
  config = trainer_flags.to_config(flag_values)
  if '://' not in config.data:  # A bucket is asked through TensorFlow.
    preflight.check(config)
  allocator.keep_freed_memory()
  quiet.import_tensorflow(debug=flag_values['debug'].value)
  # Here, as it imports TensorFlow: a wrong flag or folder is answered before.
  from trainer import run as run_lib

  run_lib.train(config)


def run() -> int:
  """Entry point of the command voxshard-train."""
  return command.run(main)


if __name__ == '__main__':
  sys.exit(run())
