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

from schemas import command
from tfrecords import command_line
from trainer import config as config_lib
from trainer import preflight, resume
from trainer.devices import allocator, quiet, strategies


def main(arguments: Sequence[str]) -> None:
  """Trains what the arguments ask for."""
  config = command_line.parse(config_lib.TrainConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  # A bucket is asked through TensorFlow.
  checked = None if '://' in config.data else preflight.check(config)
  is_alone = strategies.parse(config.strategy)[0] != 'multi_worker'
  if checked and checked[1] == resume.Start.FINISHED and is_alone:
    print(resume.finished_sentence(config.run_dir))
    return
  allocator.keep_freed_memory()
  quiet.import_tensorflow(debug='--debug' in arguments)
  # Here, as it imports TensorFlow: a wrong flag or folder is answered before.
  from trainer import run as run_lib

  run_lib.train(config, checked)


def run() -> int:
  """Entry point of the command voxshard-train."""
  return command.run(main)


if __name__ == '__main__':
  sys.exit(run())
