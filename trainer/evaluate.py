"""Judges a trained model on a split, by default on the speakers that it never heard.

  python -m trainer.evaluate
  python -m trainer.evaluate --run_dir=runs/digits --checkpoint=last
  python -m trainer.evaluate --run_dir=runs/digits --data=/data/other_digits --split=validation

Prints accuracy with its 95 % interval, precision, recall and F1 per label, accuracy per speaker and
the most frequent confusions, and writes report.json and confusion_matrix.png into the run folder.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from schemas import command, manifest, splits
from tfrecords import command_line, storage
from tfrecords.pipeline import batch_request
from trainer.data import reading
from trainer.data.raw import files
from trainer.devices import allocator, quiet
from trainer.judging.report import document, picture, tally, text
from trainer.runs import compatibility, run_folder, saved_run

BATCH_SIZE = 256


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
    BATCH_SIZE, 'Examples per batch.', limits=command_line.AT_LEAST_1
  )

  def __post_init__(self) -> None:
    command_line.check(self)


def evaluate_run(
  run_dir: str,
  *,
  data_dir: str = '',
  split: str = splits.TEST,
  checkpoint: str = run_folder.BEST,
  batch_size: int = BATCH_SIZE,
) -> dict[str, Any]:
  """Returns the report, which it also writes into the run folder with the confusion matrix.

  Args:
    run_dir: Folder of the run.
    data_dir: The data set; '' for the one of the training.
    split: One of schemas.splits.SPLITS.
    checkpoint: `best` or `last`.
    batch_size: Examples per batch; the report does not depend on it.

  Raises:
    ConfigError: if there is no such run or checkpoint.
    DatasetError: if the data set is missing or damaged, does not fit the run, or has no such split.
  """
  run = saved_run.load(run_dir)
  data_dir = data_dir or run.data_dir
  dataset, digest = reading.load_like(data_dir, run.manifest)
  compatibility.check_labels(run, dataset, data_dir=data_dir)
  compatibility.check_split(dataset, split, data_dir=data_dir)
  compatibility.check_feature(run, dataset, data_dir=data_dir)
  model = run.load_model(checkpoint)
  counts = _count(run, model, dataset, data_dir=data_dir, split=split, batch_size=batch_size)
  report = document.make(
    counts,
    labels=dataset.labels,
    train_counts=run.manifest.label_counts(splits.TRAIN),
    context={
      'split': split,
      'checkpoint': checkpoint,
      'model': run.model_text,
      'feature': run.feature.name,
      'data_dir': files.absolute(data_dir),
      'dataset': dataset.name,
      'manifest_sha256': digest,
      'same_data_as_training': digest == run.manifest_sha256,
      'dataset_warnings': list(dataset.warnings),
      'examples': 'clips' if dataset.audio else 'pictures',
    },
  )
  title = f'{run.model_text} on {dataset.name}, {split}: {text.percent(report["accuracy"])}'
  png = picture.confusion_png(counts.confusion, dataset.labels, title=title)
  run.folder.write_json(run.folder.report_file, report)
  with run_folder.writing(run.folder.confusion_matrix_file):
    storage.write_atomically(run.folder.confusion_matrix_file, png)
  return report


def _count(
  run: saved_run.SavedRun,
  model: Any,
  dataset: manifest.DatasetManifest,
  *,
  data_dir: str,
  split: str,
  batch_size: int,
) -> tally.Tally:
  # Imported here: TensorFlow takes seconds, and a wrong flag is to be told at once.
  from trainer.data import input_pipeline
  from trainer.learning import failures

  counts = tally.Tally(dataset.num_labels)
  with failures.readable(data_dir=data_dir, batch_size=batch_size):
    batches = reading.read_batches(
      batch_request.BatchRequest(
        data_dir=data_dir,
        manifest=dataset,
        split=split,
        feature_names=(run.feature.name,),
        batch_size=batch_size,
        with_ids=True,
      )
    )
    for batch in batches:
      logits = model(input_pipeline.model_input(batch, run.feature.name), training=False)
      counts.add(
        logits.numpy(),
        batch[input_pipeline.LABEL].numpy(),
        ids=[name.decode() for name in batch['id'].numpy()],
        speakers=[name.decode() for name in batch['speaker'].numpy()],
      )
  return counts


def main(arguments: Sequence[str]) -> None:
  """Evaluates what the arguments ask for and prints the report."""
  config = command_line.parse(EvaluateConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  run = saved_run.load(config.run_dir)
  allocator.keep_freed_memory()
  quiet.import_tensorflow(debug='--debug' in arguments)
  report = evaluate_run(
    config.run_dir,
    data_dir=config.data,
    split=config.split,
    checkpoint=config.checkpoint,
    batch_size=config.batch_size,
  )
  print(f'{run.model_text}, {config.checkpoint} checkpoint, {config.split} split of '
        f'{report["data_dir"]}\n')  # fmt: skip
  print(text.describe(report))
  if not report['same_data_as_training']:
    print('note: this is not the data set of the training, or it was made again since.')
  for warning in report['dataset_warnings']:
    print(f'note: {warning}')
  print(f'report   {run.folder.report_file}, {run.folder.confusion_matrix_file}')


def run() -> int:
  """Entry point."""
  return command.run(main)


if __name__ == '__main__':
  sys.exit(run())
