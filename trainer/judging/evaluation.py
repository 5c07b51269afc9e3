"""A trained run put before a split: the report, and the picture that goes with it."""

from __future__ import annotations

from typing import Any

from schemas import splits
from tfrecords import storage
from trainer.data import named_data
from trainer.data.raw import files
from trainer.judging import answering, compatibility
from trainer.judging.report import picture, report_json, tally, text
from trainer.runs import run_folder, saved_run

BATCH_SIZE = 256


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
  dataset, digest = named_data.load_like(data_dir, run.manifest, by_tensorflow=run.pooling is None)
  compatibility.check_labels(run, dataset, data_dir=data_dir)
  compatibility.check_split(dataset, split, data_dir=data_dir)
  compatibility.check_feature(run, dataset, data_dir=data_dir)
  compatibility.check_longest(run, dataset, split, data_dir=data_dir)
  named_data.check_shards(data_dir, dataset, [split])
  model = answering.load(run, checkpoint)
  model.check_memory(dataset, batch_size=batch_size, num_examples=dataset.num_records(split))
  tallied = tally.Tally()
  asked = run.request(dataset, split, data_dir=data_dir, batch_size=batch_size)
  for batch in model.judge(asked):
    tallied.add(batch.found, ids=batch.ids, speakers=batch.speakers)
  named_data.check_count(tallied.num_examples, dataset, split, data_dir=data_dir)
  report = report_json.make(
    tallied,
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
  png = picture.confusion_png(tallied.counts.confusion, dataset.labels, title=title)
  run.folder.write_json(run.folder.report_file, report)
  with run_folder.writing(run.folder.confusion_matrix_file):
    storage.write_atomically(run.folder.confusion_matrix_file, png)
  return report
