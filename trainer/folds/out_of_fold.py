"""One file of predictions over all folds, each clip judged by the run that never met its voice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from schemas import errors
from tfrecords import manifest_file
from trainer.folds import fold_manifests, fold_plan
from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader, parquet_writer
from trainer.runs import cv_folder, run_folder, saved_run

SPLIT = 'folds'
_LEVEL = 0.95
_DIGITS = 6
# Why the interval is what it is; beside it wherever it is shown.
INTERVAL_NOTE = (
  "Student's t over the accuracies of folds, as if these were independent. They share most of what "
  'they learn from, so it is rather too narrow (Bengio and Grandvalet 2004); with few folds it is '
  'wide.'
)


def write(folder: cv_folder.CvFolder, plan: fold_plan.Plan, run: saved_run.SavedRun) -> None:
  """Writes the predictions of all folds into one file, in the order of the folds.

  Args:
    folder: The folder of the folds, whose runs are finished.
    plan: How they were divided.
    run: The whole, as a run.

  Raises:
    ConfigError: if predictions of a fold are missing, or are not of the clips of that fold.
  """
  headers = [_reader(folder, number).header for number in range(len(plan.folds))]
  header = dataclasses.replace(
    headers[0],
    split=SPLIT,
    data_dir=run.data_dir,
    manifest_sha256=run.manifest_sha256,
    dataset_warnings=fold_manifests.warnings(run.manifest),
  )
  with run_folder.replacing(folder.top.judgement.predictions_file) as temporary:
    with parquet_writer.writing(temporary, header) as writer:
      for number, fold in enumerate(plan.folds):
        reader = _reader(folder, number)
        # Of a fold, and not of another one, whose clips might be as many.
        is_of_fold = reader.header.manifest_sha256 == _data_digest(folder, number)
        is_whole = reader.num_examples == fold.num_test
        if not (is_of_fold and is_whole) or reader.header.labels != header.labels:
          raise errors.ConfigError(
            f'{reader.path!r} is not of the {fold.num_test:,} clips of fold {number}. Remove the '
            f'folder {folder.run(number).path!r} and run the same command again.'
          )
        for batch in reader.batches():
          writer.add_rows(_of_fold(batch.rows, number, parquet_writer.schema(header)))


def summary(
  folder: cv_folder.CvFolder, plan: fold_plan.Plan, reports: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  """Returns what a report says of folds, beside what it says of all clips together.

  Args:
    folder: The folder of the folds.
    plan: How they were divided.
    reports: What report.json of each fold says.
  """
  accuracies = [report['accuracy'] for report in reports]
  return {
    'folds': [_of_report(folder, plan, number, report) for number, report in enumerate(reports)],
    'mean_over_folds': mean_over_folds(accuracies),
    'majority_baseline': _majority(reports),
  }


def mean_over_folds(accuracies: Sequence[float]) -> dict[str, Any]:
  """Returns the mean of accuracies, and its 95 % interval by Student's t over them.

  Y. Bengio, Y. Grandvalet: No Unbiased Estimator of the Variance of K-Fold Cross-Validation,
  Journal of Machine Learning Research 5 (2004), say why none is exact.
  """
  values = np.array(accuracies)
  deviation = float(values.std(ddof=1))
  half = float(stats.t.ppf(0.5 + _LEVEL / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
  mean = float(values.mean())
  return {
    'accuracy': round(mean, _DIGITS),
    'low': round(max(0.0, mean - half), _DIGITS),
    'high': round(min(1.0, mean + half), _DIGITS),
    'standard_deviation': round(deviation, _DIGITS),
    'num_folds': len(values),
    'note': INTERVAL_NOTE,
  }


def _of_report(
  folder: cv_folder.CvFolder, plan: fold_plan.Plan, number: int, report: Mapping[str, Any]
) -> dict[str, Any]:
  fold = plan.folds[number]
  return {
    'fold': number,
    'values': list(fold.values),
    'speakers': [one['speaker'] for one in report['speakers']],
    'num_train': fold.num_train,
    'num_validation': fold.num_validation,
    'num_examples': report['num_examples'],
    'num_correct': report['num_examples'] - report['num_mistakes'],
    'accuracy': report['accuracy'],
    'loss': report['loss'],
    'unlearned_labels': list(fold.unlearned),
    'run': folder.run(number).path.rpartition('/')[2],
  }


def _majority(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns how often it is right to say the label that is most frequent in a fold's train part."""
  found = [report['majority_baseline'] for report in reports]
  sizes = [report['num_examples'] for report in reports]
  labels = [one['label'] for one in found]
  right = sum(one['accuracy'] * size for one, size in zip(found, sizes, strict=True))
  return {
    'label': max(sorted(set(labels)), key=labels.count),
    'accuracy': round(right / sum(sizes), _DIGITS),
  }


def _data_digest(folder: cv_folder.CvFolder, number: int) -> str:
  """Returns the digest of the manifest of a fold's data.

  Raises:
    ConfigError: if it is damaged.
  """
  path = folder.data(number)
  try:
    manifest_file.load(path)
  except (errors.SchemaError, errors.DatasetError) as error:
    raise errors.ConfigError(
      f'{str(error).partition(". ")[0].rstrip(".")}. Remove the folder {folder.data_dir!r}, which '
      'says which clips are in which fold, and run the same command again: it makes it anew, the '
      'same, and keeps the runs.'
    ) from error
  return manifest_file.digest(path)


def _reader(folder: cv_folder.CvFolder, number: int) -> parquet_reader.Reader:
  return parquet_reader.Reader(folder.run(number).judgement.predictions_file)


def _of_fold(rows: pa.RecordBatch, number: int, schema: pa.Schema) -> pa.RecordBatch:
  columns = [*rows.columns]
  columns[schema.get_field_index(header_lib.FOLD)] = pa.array([number] * len(rows), pa.int32())
  return pa.RecordBatch.from_arrays(columns, schema=schema)
