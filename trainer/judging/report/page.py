"""The report as a page that stands alone: report.html."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from pages import rendering
from schemas import errors, manifest, medium
from tfrecords import manifest_file, storage
from trainer.judging.report import page_values, shown_clips, wrong_clips
from trainer.predictions import parquet_reader, recordings
from trainer.runs import judgement as judgement_lib
from trainer.runs import run_folder, tolerant_json

_TEMPLATE = 'report/page.html.j2'
_REMARK = 'One file: it needs nothing from outside, and sends nothing.'
_REMARK_ON_FILES = (
  'report.json beside it has all numbers, predictions.parquet what the model said of every {}.'
)


def write(
  folder: run_folder.RunFolder, judgement: judgement_lib.Judgement, report: Mapping[str, Any]
) -> None:
  """Writes the page of a report, whole or not at all.

  Args:
    folder: Of the run, or of what holds its folds: its config.json, manifest.json and history.json
      are shown as far as they are there.
    judgement: Where the predictions lie, and the page goes.
    report: What report.json holds.

  Raises:
    ConfigError: if the file system refuses, or the predictions are damaged.
  """
  text = render(
    report,
    parquet_reader.Reader(judgement.predictions_file),
    config=folder.read_config() if os.path.exists(folder.config_file) else {},
    # A folder of folds has none; of a damaged one no curve is drawn.
    history=tolerant_json.epochs(folder.history_file),
    trained=_manifest(folder),
  )
  with run_folder.writing(judgement.page_file):
    storage.write_atomically(judgement.page_file, text.encode())


def render(
  report: Mapping[str, Any],
  predictions: parquet_reader.Reader,
  *,
  config: Mapping[str, Any],
  history: Sequence[Mapping[str, Any]] = (),
  trained: manifest.DatasetManifest | None = None,
) -> str:
  """Returns the page: the same text for the same values.

  Args:
    report: What report.json holds.
    predictions: What it was made of.
    config: What config.json holds.
    history: What history.json holds.
    trained: The manifest of the training's data.
  """
  header = predictions.header
  judged = trained and recordings.dataset_of(
    trained,
    str(config.get('manifest_sha256', '')),
    data_dir=header.data_dir,
    digest=header.manifest_sha256,
  )
  gallery = shown_clips.gallery(
    wrong_clips.worst(predictions), judged, data_dir=header.data_dir, split=header.split
  )
  # Of a data set that nobody knows any more a voice of many clips says that voices are known.
  of_noises = sum(noise['num_examples'] for noise in report.get('noises', ()))
  few_voices = report.get('num_speakers', 0) < report['num_examples'] - of_noises
  noun = str(report.get('examples', 'clips'))
  values = page_values
  detection = values.detection(report)
  return rendering.render(
    _TEMPLATE,
    title=f'{report["model"]} on {report["dataset"]}, {report["split"]}',
    kind='report',
    remarks=(_REMARK, _REMARK_ON_FILES.format(medium.example(noun))),
    report=report,
    noun=noun,
    one=medium.example(noun),
    speaker=medium.speaker(noun),
    voice=medium.voice(noun),
    numbers=values.tiles(report),
    notes=values.notes(report),
    of_mistakes=values.of_mistakes(report),
    averages=values.averages(report),
    labels=values.labels(report),
    speakers=values.speakers(
      report, is_known=any(judged.speakers.values()) if judged else few_voices
    ),
    learned=values.learned(history, config),
    calibration=values.calibration(report),
    detection=detection,
    gallery=gallery,
    data=values.known_of_data(judged or trained, report),
    settings=values.settings(config),
    environment=values.environment(config, report),
    command=str(config.get('command') or ''),
    folds=values.folds(report),
    none_of_these=report.get('none_of_these'),
    for_script={
      'matrix': values.matrix(report),
      'detection': detection['for_script'] if detection else None,
    },
    FIRST_ROWS=values.FIRST_ROWS,
    MAX_ROWS=values.MAX_ROWS,
    share=values.share,
    decimal=values.decimal,
  )


def _manifest(folder: run_folder.RunFolder) -> manifest.DatasetManifest | None:
  try:
    return manifest_file.load(folder.path, of_run=True)
  except errors.VoxshardError:
    return None
