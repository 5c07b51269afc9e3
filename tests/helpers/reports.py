"""Pages of reports on predictions that no model made."""

import dataclasses
import json

import numpy as np
import soundfile

from schemas import audio, json_form
from tests.helpers import prediction_files, tiny_manifest
from tfrecords import manifest_file
from trainer.judging.report import page, report_json, tally
from trainer.predictions import clip_answers, parquet_reader, parquet_writer
from trainer.runs import run_folder

RATE_HZ = 8_000


def made(folder, labels, *, num_clips, speakers, num_files=0, seed=0, **more):
  """Makes a run folder with a page; returns the RunFolder and the report.

  Args:
    folder: Where.
    labels: Texts.
    num_clips: How many clips were judged; about two in three are right.
    speakers: Names, in turn.
    num_files: Of so many clips the recordings are there.
    seed: Of what is drawn.
    **more: Further keys of the report.
  """
  rng = np.random.default_rng(seed)
  truth = np.arange(num_clips) % len(labels)
  logits = rng.normal(size=(num_clips, len(labels))).astype(np.float32) * 2
  logits[np.arange(num_clips), truth] += 2 + np.log(len(labels))
  run = run_folder.RunFolder(str(folder / 'run'))
  run.create(overwrite=True)
  _record(folder / 'corpus', num_files, rng)
  counts = np.bincount(truth, minlength=len(labels)).tolist()
  dataset = dataclasses.replace(
    tiny_manifest.of(labels=tuple(labels), counts={'train': tuple(counts), 'test': tuple(counts)}),
    audio=audio.AudioSpec(sample_rate_hz=RATE_HZ, clip_s=0.5),
    config={'source': 'folders', 'input': str(folder / 'corpus')},
    speakers={'test': tuple(speakers[:20])},
    rejects={'not_audio': 2},
    warnings=('Labels <b>look</b> alike.',),
  )
  manifest_file.save(dataset, run.path)
  digest = manifest_file.digest(run.path)
  _write_json(run.config_file, _config(digest))
  _write_json(run.history_file, _history())
  header = prediction_files.header_of(
    labels, data_dir=str(folder / 'data'), manifest_sha256=digest, dataset_warnings=dataset.warnings
  )
  with parquet_writer.writing(run.judgement.predictions_file, header) as writer:
    writer.add(clip_answers.Answers(_origins(num_clips, speakers, num_files), truth, logits))
  tallied = tally.Tally(header, clip_s=0.5)
  for batch in parquet_reader.Reader(run.judgement.predictions_file).batches():
    tallied.add(batch)
  context = {**header.context(), 'same_data_as_training': True, **more}
  report = report_json.make(tallied, labels=labels, train_counts=counts, context=context)
  page.write(run, run.judgement, report)
  return run, report


def _record(corpus, num_files, rng):
  corpus.mkdir(parents=True)
  for i in range(num_files):
    soundfile.write(corpus / f'{i}.wav', 0.1 * rng.normal(size=RATE_HZ // 2), RATE_HZ)


def _origins(num_clips, speakers, num_files):
  ids = [f'"clip" <{i}> & co' for i in range(num_clips)]
  in_turn = [speakers[i % len(speakers)] for i in range(num_clips)]
  found = prediction_files.unknown_origins(ids, in_turn)
  return found._replace(
    files=[f'{i}.wav' if i < num_files else 'gone.wav' for i in range(num_clips)]
  )


def _config(digest):
  flags = {'epochs': 3, 'monitor': 'loss', 'model': 'cnn', 'augment': ['gain', 'speed'], 'ema': 0.0}
  return {
    'flags': flags,
    'command': "python -m trainer '--data=a <b>' --epochs=3",
    'manifest_sha256': digest,
    'versions': {'numpy': '2.4.0'},
  }


def _history():
  def scores(loss):
    return {'loss': loss, 'accuracy': 1 / (1 + loss), 'num_examples': 10}

  return [
    {'epoch': i + 1, 'train_s': 1.5, 'train': scores(1 / (i + 1)), 'validation': scores(loss)}
    for i, loss in enumerate((0.9, 0.5, 0.7))
  ]


def _write_json(path, value):
  with open(path, 'w', encoding='utf-8') as stream:
    stream.write(json_form.dumps(value))


def values_of(text):
  """Returns what a page gives its script."""
  start = text.index('id="values">') + len('id="values">')
  return json.loads(text[start : text.index('</script>', start)])


CALIBRATION = {
  'ece': 0.08,
  'loss': 0.9,
  'bins': [
    {'low': 0.0, 'high': 0.5, 'num_examples': 30, 'confidence': 0.4, 'accuracy': 0.3},
    {'low': 0.5, 'high': 1.0, 'num_examples': 0, 'confidence': None, 'accuracy': None},
  ],
  'temperature': 1.62,
  'calibrated': {
    'ece': 0.02,
    'loss': 0.8,
    'bins': [{'low': 0.0, 'high': 0.5, 'num_examples': 30, 'confidence': 0.31, 'accuracy': 0.3}],
  },
  'fitted_on': {'split': 'validation', 'num_examples': 90, 'is_this_split': False},
  'note': '',
}
NONE_OF_THESE = {
  'missing_labels': ['unknown', 'silence'],
  'note': '',
  'false_rejections': 0.05,
  'fitted_on': {'split': 'validation', 'num_examples': 90, 'is_this_split': False},
  'scores': {'softmax': {'threshold': 0.31, 'falsely_rejected': 0.062}},
  'unknown': {
    'labels': ['hello'],
    'num_examples': 40,
    'scores': {'softmax': {'auroc': 0.912, 'false_positive_rate_95': 0.4, 'rejected': None}},
  },
}
FOLDS = [
  {'fold': 0, 'speakers': ['ann'], 'num_examples': 10, 'num_correct': 9, 'accuracy': 0.9},
  {'fold': 1, 'speakers': ['<b>bob'], 'num_examples': 10, 'num_correct': 7, 'accuracy': 0.7},
]
