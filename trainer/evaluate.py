"""Judges a trained model on a split, by default on the speakers that it never heard.

  python -m trainer.evaluate
  python -m trainer.evaluate --run_dir=runs/digits --checkpoint=last
  python -m trainer.evaluate --run_dir=runs/digits --data=/data/other_digits --split=validation

Prints accuracy with its 95 % interval and what that is over, top-3 and top-5, ROC-AUC, average
precision, precision, recall and F1 per label, the accuracy of the worst speakers and the most
frequent confusions. Writes what the model said of every clip (predictions.parquet), and
report.html, report.json and confusion_matrix.png made of it: into the run folder for the test split
of the training's data and the best epoch, else into a folder below its `judged`. For a run of
before it finds on validation, too, what `trainer.predict --calibrated` and `--none_of_these` go by.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from schemas import command, limits, splits
from tfrecords import command_line
from trainer.judging import answering, evaluation
from trainer.judging.report import text
from trainer.runs import run_folder, saved_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
  """One field per flag."""

  run_dir: str = command_line.flag(
    saved_run.DEFAULT_RUN_DIR, 'Folder of a run of the trainer.', is_path=True
  )
  data: str = command_line.flag('', 'A data set; empty: the one of the training.', is_path=True)
  split: str = command_line.flag(splits.TEST, 'What to judge on.', choices=splits.SPLITS)
  checkpoint: str = command_line.flag(
    run_folder.BEST, 'Which model of the run.', choices=saved_run.CHECKPOINTS
  )
  batch_size: int = command_line.flag(
    evaluation.BATCH_SIZE, 'Examples per batch.', limits=limits.COUNT
  )

  def __post_init__(self) -> None:
    command_line.check(self)


def main(arguments: Sequence[str]) -> None:
  """Evaluates what the arguments ask for and prints the report."""
  config = command_line.parse(EvaluateConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  run = saved_run.load(config.run_dir)
  answering.prepare(run, debug=command.is_on('debug', arguments))
  why_not = ''
  if config.checkpoint == run_folder.BEST:
    why_not = evaluation.fit_missing_confidence(run, batch_size=config.batch_size)
  judgement = evaluation.predict_split(
    run,
    evaluation.Asked(
      data_dir=config.data,
      split=config.split,
      checkpoint=config.checkpoint,
      batch_size=config.batch_size,
    ),
  )
  report = evaluation.report_on(run, judgement)
  print(f'{run.model_text}, {config.checkpoint} checkpoint, {config.split} split of '
        f'{report["data_dir"]}\n')  # fmt: skip
  print(text.describe(report))
  if why_not:
    print(f'note: {why_not}')
  if not report['same_data_as_training']:
    print('note: this is not the data set of the training, or it was made again since.')
  if run.versions_note:
    print(run.versions_note)
  for warning in report['dataset_warnings']:
    print(f'note: {warning}')
  print(f'report   {judgement.for_reading}')


if __name__ == '__main__':
  sys.exit(command.run(main, stopped=command.AGAIN))
