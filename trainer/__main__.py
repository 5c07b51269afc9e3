"""Trains a classifier on a data set of the data job, and judges it.

  python -m trainer
  python -m trainer --data=/data/digits --model=cnn:filters=64 --run_dir=runs/digits
  python -m trainer --strategy=mirrored --precision=mixed_bfloat16 --model=vgg16
  python -m trainer --data=/data/digits --folds=speaker:5 --run_dir=runs/digits-folds

Without flags it trains on the demo corpus, which `python -m beam_jobs.featurize` makes. The run
folder holds the best and the last model, the curves for TensorBoard, and the report on the test
split. Then:

  python -m trainer.evaluate --run_dir=runs/digits
  python -m trainer.predict --run_dir=runs/digits FILE...
"""

import dataclasses
import sys
from collections.abc import Sequence

from schemas import command
from tfrecords import command_line
from trainer import config as config_lib
from trainer import preflight, resume
from trainer.child_processes import parent_tie
from trainer.devices import allocator, meeting, quiet


def main(arguments: Sequence[str]) -> None:
  """Trains what the arguments ask for."""
  # A wrong flag is told to the other workers too; only the arguments tell whether there are any.
  with meeting.refusals_told('--strategy=multi_worker' in arguments):
    config = command_line.parse(config_lib.TrainConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  if config.folds:
    from trainer.folds import network_folds  # Which most runs do without.

    if config.fold is None:
      network_folds.train(config)
      return
    config = network_folds.of_fold(config)
  if config.recipe == config_lib.TRANSFER:
    _follow_recipe(config, arguments)
    return
  # A bucket is asked through TensorFlow; but no worker waits for another's import of it.
  is_late = '://' in config.data and not resume.is_shared(config)
  checked = None if is_late else preflight.check_together(config)
  is_finished = checked and checked[1] == resume.Start.FINISHED
  if checked and is_finished and not preflight.is_unjudged(config, checked[0]):
    preflight.say_finished(config)
    return
  allocator.keep_freed_memory()
  quiet.import_tensorflow(debug=command.is_on('debug', arguments))
  # Here, as they import TensorFlow: a wrong flag or folder is answered before.
  if config.find_learning_rate:
    from trainer.rate_range import range_test

    range_test.find(config, (checked or preflight.check_together(config))[0])
    return
  from trainer import run as run_lib

  run_lib.train(config, checked)


def _follow_recipe(config: config_lib.TrainConfig, arguments: Sequence[str]) -> None:
  if '://' not in config.data:  # What can be refused at once.
    preflight.check(
      dataclasses.replace(
        config, recipe=config_lib.NO_RECIPE, run_dir='', run_name='', overwrite=False
      )
    )
  allocator.keep_freed_memory()
  quiet.import_tensorflow(debug=command.is_on('debug', arguments))
  from trainer import transfer_recipe

  transfer_recipe.train(config)


def run() -> int:
  """Entry point of the command voxshard-train."""
  parent_tie.end_with_parent()
  return command.run(main, stopped=command.AGAIN)


if __name__ == '__main__':
  sys.exit(run())
