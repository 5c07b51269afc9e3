"""A trained run put before a split: its predictions, and the report that is made of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from pages import words
from schemas import errors, splits
from tfrecords import held_out, storage
from tfrecords.pipeline import batch_request
from trainer.confidence import fitted
from trainer.data import named_data
from trainer.data.raw import files
from trainer.judging import answering, compatibility
from trainer.judging.report import (
  confidence_json,
  matrix_excerpt,
  picture,
  report_json,
  tally,
)
from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader, parquet_writer
from trainer.runs import judgement as judgement_lib
from trainer.runs import run_folder, saved_run

BATCH_SIZE = 256
_NO_VALIDATION = (
  'There is no validation split, on which a temperature and the thresholds for "none of these" '
  'could be fitted.'
)
_NOT_FITTED = (
  'No temperature and no thresholds were fitted on validation yet: python -m trainer.evaluate does.'
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
  """What is to be judged.

  Attributes:
    data_dir: The data set; '' for the one of the training.
    split: One of schemas.splits.SPLITS.
    checkpoint: `best` or `last`.
    batch_size: Examples per batch; what is found does not depend on it.
  """

  data_dir: str = ''
  split: str = splits.TEST
  checkpoint: str = run_folder.BEST
  batch_size: int = BATCH_SIZE


def evaluate_run(run_dir: str, **asked: Any) -> dict[str, Any]:
  """Returns the report of a split, which it also writes, beside the predictions.

  Args:
    run_dir: Folder of the run.
    **asked: Fields of Asked.

  Raises:
    ConfigError, DatasetError: as predict_split.
  """
  run = saved_run.load(run_dir)
  return report_on(run, predict_split(run, Asked(**asked)))


def judge_finished(run_dir: str, *, on_validation: bool, on_test: bool) -> dict[str, Any] | None:
  """Judges the best epoch of a run that has come to its end; its model is opened once.

  Args:
    run_dir: Folder of the run.
    on_validation: Whether what is fitted to its probabilities is made: see fit_confidence.
    on_test: Whether the report is made.

  Returns:
    The report; None where it is not asked for.

  Raises:
    ConfigError, DatasetError: as predict_split.
  """
  if not (on_validation or on_test):
    return None
  run = saved_run.load(run_dir)
  model = answering.load(run, run_folder.BEST)
  if on_validation:
    fit_confidence(run, model)
  return report_on(run, predict_split(run, Asked(), model)) if on_test else None


def predict_split(
  run: saved_run.SavedRun, asked: Asked, model: answering.Answering | None = None
) -> judgement_lib.Judgement:
  """Writes what a run says of every clip of a split, and returns where that lies.

  Args:
    run: The run.
    asked: What is to be judged.
    model: Its model, of the checkpoint that is asked for, where it is open already.

  Raises:
    ConfigError: if there is no such checkpoint, or the model gives what is no number.
    DatasetError: if the data set is missing or damaged, does not fit the run, or has no such split.
  """
  data_dir, split = asked.data_dir or run.data_dir, asked.split
  whole, digest = named_data.load_like(data_dir, run.manifest, by_tensorflow=run.pooling is None)
  unknown = [label for label in held_out.labels_of(run.manifest) if label in whole.labels]
  dataset = held_out.without(whole, unknown)
  compatibility.check_labels(run, dataset, data_dir=data_dir)
  compatibility.check_split(dataset, split, data_dir=data_dir)
  compatibility.check_feature(run, dataset, data_dir=data_dir)
  compatibility.check_longest(run, dataset, split, data_dir=data_dir)
  named_data.check_shards(data_dir, dataset, [split])
  model = model or answering.load(run, asked.checkpoint)
  model.check_memory(dataset, batch_size=asked.batch_size, num_examples=dataset.num_records(split))
  header = header_lib.Header(
    labels=tuple(dataset.labels),
    split=split,
    checkpoint=asked.checkpoint,
    model=run.model_text,
    feature=run.feature.name,
    data_dir=files.absolute(data_dir),
    dataset=dataset.name,
    manifest_sha256=digest,
    examples='clips' if dataset.audio else 'pictures',
    dataset_warnings=tuple(dataset.warnings),
  )
  is_another = digest != run.manifest_sha256
  judgement = run.folder.other_judgement(
    split, checkpoint=asked.checkpoint, data_digest=digest if is_another else ''
  )
  with run_folder.writing(judgement.path):
    os.makedirs(judgement.path, exist_ok=True)
  request = run.request(dataset, split, data_dir=data_dir, batch_size=asked.batch_size)
  _write(judgement.predictions_file, model, request, header)
  if unknown and split == splits.TEST:
    # Of validation clips they are left alone, as by training.
    view = held_out.without(whole, dataset.labels)
    if view.num_records(split):
      header = dataclasses.replace(header, unknown_labels=view.labels)
      request = dataclasses.replace(request, manifest=view)
      _write(judgement.unknown_file, model, request, header)
  return judgement


def _write(
  path: str,
  model: answering.Answering,
  request: batch_request.BatchRequest,
  header: header_lib.Header,
) -> None:
  """Writes what a model says of the records that are asked for.

  Labels that the model does not know are numbered behind those that it does.
  """
  first = len(header.labels) if header.unknown_labels else 0
  with run_folder.replacing(path) as temporary:
    with parquet_writer.writing(temporary, header) as writer:
      for answers in model.of_records(request):
        writer.add(answers._replace(labels=answers.labels + first))
      named_data.check_count(
        writer.num_examples, request.manifest, request.split, data_dir=request.data_dir
      )


def report_on(
  run: saved_run.SavedRun,
  judgement: judgement_lib.Judgement,
  *,
  further: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
  """Returns the report on predictions, which it also writes, with all that goes with it.

  Args:
    run: Whose predictions they are.
    judgement: Where they lie.
    further: Fields in place of those that are made of predictions alone, or beside them.
  """
  # Here, so that --help does not wait for what draws.
  from trainer.judging.report import page

  predictions = parquet_reader.Reader(judgement.predictions_file)
  header = predictions.header
  audio = run.manifest.audio
  tallied = tally.Tally(header, clip_s=audio.clip_s if audio else 0.0)
  probabilities = _probabilities(run, header, judgement)
  for batch in predictions.batches(tallied.columns):
    tallied.add(batch)
    probabilities.add(batch)
  report = report_json.make(
    tallied,
    labels=header.labels,
    train_counts=run.manifest.label_counts(splits.TRAIN),
    context={
      **header.context(),
      'same_data_as_training': header.manifest_sha256 == run.manifest_sha256,
      **probabilities.to_json(),
    },
  )
  report |= further or {}
  title = f'{run.model_text} on {header.dataset}, {header.split}: {words.share(report["accuracy"])}'
  png = picture.excerpt_png(matrix_excerpt.of(report), title=title)
  run.folder.write_json(judgement.report_file, report)
  with run_folder.writing(judgement.confusion_matrix_file):
    storage.write_atomically(judgement.confusion_matrix_file, png)
  page.write(run.folder, judgement, report)
  return report


def fit_confidence(
  run: saved_run.SavedRun,
  model: answering.Answering | None = None,
  *,
  batch_size: int = BATCH_SIZE,
) -> None:
  """Judges the best epoch on validation, and keeps what that says of its probabilities.

  Args:
    run: The run.
    model: Its best epoch, where it is open already.
    batch_size: Examples per batch.

  Raises:
    ConfigError, DatasetError: as predict_split.
  """
  judgement = predict_split(run, Asked(split=splits.VALIDATION, batch_size=batch_size), model)
  found = fitted.fit(
    parquet_reader.Reader(judgement.predictions_file), checkpoint_sha256=run.folder.best_digest()
  )
  run.folder.write_json(run.folder.confidence_file, found.to_json())


def fit_missing_confidence(run: saved_run.SavedRun, *, batch_size: int = BATCH_SIZE) -> str:
  """Does the same for a run of before, which has no such file.

  Returns:
    Why that cannot be, a sentence; '' where it was done or was not to be done.
  """
  has_validation = splits.VALIDATION in run.manifest.split_names()
  if os.path.exists(run.folder.confidence_file) or not has_validation:
    return ''
  try:
    by_tensorflow = run.pooling is None
    _, digest = named_data.load_like(run.data_dir, run.manifest, by_tensorflow=by_tensorflow)
    if digest != run.manifest_sha256:
      raise errors.DatasetError(
        f'the data set in {run.data_dir!r} is not that of the training any more.'
      )
    fit_confidence(run, batch_size=batch_size)
  except errors.DatasetError as error:
    return f'No temperature and no thresholds were fitted on the validation split: {error}'
  return ''


def _probabilities(
  run: saved_run.SavedRun, header: header_lib.Header, judgement: judgement_lib.Judgement
) -> confidence_json.Gathered:
  """Returns what gathers the part of a report that is of probabilities."""
  unknown = None
  if os.path.exists(judgement.unknown_file):
    unknown = parquet_reader.Reader(judgement.unknown_file)
  if header.checkpoint != run_folder.BEST:
    why = 'Temperature and thresholds are those of the best checkpoint.'
    return confidence_json.Gathered(header, None, unknown=unknown, why_none=why)
  if header.split not in splits.SPLITS:
    why = (
      'Each fold has a temperature and thresholds of its own, in the confidence.json of its run.'
    )
    return confidence_json.Gathered(header, None, why_none=why)
  found = fitted.load(run.folder.confidence_file)
  has_validation = splits.VALIDATION in run.manifest.split_names()
  return confidence_json.Gathered(
    header, found, unknown=unknown, why_none=_NOT_FITTED if has_validation else _NO_VALIDATION
  )
