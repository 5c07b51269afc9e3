"""A trained run put before a split: its predictions, and the report that is made of them."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from schemas import splits
from tfrecords import storage
from trainer.data import named_data
from trainer.data.raw import files
from trainer.judging import answering, compatibility
from trainer.judging.report import matrix_excerpt, picture, report_json, tally, text
from trainer.predictions import header as header_lib
from trainer.predictions import parquet_reader, parquet_writer
from trainer.runs import judgement as judgement_lib
from trainer.runs import run_folder, saved_run

BATCH_SIZE = 256


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


def predict_split(run: saved_run.SavedRun, asked: Asked) -> judgement_lib.Judgement:
  """Writes what a run says of every clip of a split, and returns where that lies.

  Raises:
    ConfigError: if there is no such checkpoint, or the model gives what is no number.
    DatasetError: if the data set is missing or damaged, does not fit the run, or has no such split.
  """
  data_dir, split = asked.data_dir or run.data_dir, asked.split
  dataset, digest = named_data.load_like(data_dir, run.manifest, by_tensorflow=run.pooling is None)
  compatibility.check_labels(run, dataset, data_dir=data_dir)
  compatibility.check_split(dataset, split, data_dir=data_dir)
  compatibility.check_feature(run, dataset, data_dir=data_dir)
  compatibility.check_longest(run, dataset, split, data_dir=data_dir)
  named_data.check_shards(data_dir, dataset, [split])
  model = answering.load(run, asked.checkpoint)
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
  with run_folder.replacing(judgement.predictions_file) as temporary:
    with parquet_writer.writing(temporary, header) as writer:
      for answers in model.of_records(request):
        writer.add(answers)
      named_data.check_count(writer.num_examples, dataset, split, data_dir=data_dir)
  return judgement


def report_on(run: saved_run.SavedRun, judgement: judgement_lib.Judgement) -> dict[str, Any]:
  """Returns the report on predictions, which it also writes, with all that goes with it."""
  predictions = parquet_reader.Reader(judgement.predictions_file)
  header = predictions.header
  audio = run.manifest.audio
  tallied = tally.Tally(header, clip_s=audio.clip_s if audio else 0.0)
  for batch in predictions.batches(tallied.columns):
    tallied.add(batch)
  report = report_json.make(
    tallied,
    labels=header.labels,
    train_counts=run.manifest.label_counts(splits.TRAIN),
    context={
      **header.context(),
      'same_data_as_training': header.manifest_sha256 == run.manifest_sha256,
    },
  )
  title = (
    f'{run.model_text} on {header.dataset}, {header.split}: {text.percent(report["accuracy"])}'
  )
  png = picture.excerpt_png(matrix_excerpt.of(report), title=title)
  run.folder.write_json(judgement.report_file, report)
  with run_folder.writing(judgement.confusion_matrix_file):
    storage.write_atomically(judgement.confusion_matrix_file, png)
  return report
