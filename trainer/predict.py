"""Says what is in audio files, in pictures, or in a whole data set, with a trained model.

  python -m trainer.predict demo/corpus/yes/*.wav
  python -m trainer.predict --run_dir=runs/digits --format=csv --top=1 'recordings/**/*.flac'
  python -m trainer.predict --model=exports/words --window_s=1 --hop_s=0.5 an_hour.webm
  python -m trainer.predict --run_dir=runs/words --calibrated --none_of_these recordings
  python -m trainer.predict --run_dir=runs/words --data=data/test --format=submission > answers.csv

Reads every format of libsndfile and, with the extra `media`, of FFmpeg, at any rate, and treats a
file exactly as the data job treated those of the training: one channel, the same rate,
cut or padded, the same feature, rounded as it is stored. Where the model was trained on pictures it
reads those. A folder stands for all such files in it and below, a pattern in quotes for what it
matches. A file that cannot be used is named with the reason and the advice, the others are
predicted all the same, and the exit code is 2.

With --window_s long recordings are heard window by window, each with an answer of its own; the last
one ends with the recording.

With --calibrated probabilities are right as often as they say, and with --none_of_these the model
may answer that it knows no label for what it hears; both go by what the run found on its validation
split.

With --data it predicts the records of a data set that the data job made with the settings of the
training, such as one of clips without labels (--source=unlabelled); each is called by its id.

With --output the answers are a file that is there whole or not at all.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence

from exports import answer_rows, answer_tables, export_file, exported, submissions
from schemas import audio as audio_schema
from schemas import command, errors, manifest, medium, utterance
from tfrecords import command_line
from trainer.confidence import caution as caution_lib
from trainer.data import named_data
from trainer.devices import quiet
from trainer.export import opened
from trainer.judging import answering, compatibility, prediction
from trainer.predicting import answer_output, export_hearer, named_files, prediction_notes
from trainer.predicting.predict_config import PredictConfig as PredictConfig
from trainer.runs import run_folder, saved_run


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
  """What a model says, and how it is to be read.

  Attributes:
    labels: Those of the model.
    audio: What it hears of a recording; None for pictures.
    caution: How logits become answers.
    found: What it says of each clip.
    files: The files; () of a data set.
    has_labels: Whether true labels are known.
  """

  labels: tuple[str, ...]
  audio: audio_schema.AudioSpec | None
  caution: caution_lib.Caution
  found: Iterator[prediction.Prediction]
  files: tuple[str, ...] = ()
  has_labels: bool = False


def main(arguments: Sequence[str]) -> None:
  """Predicts what the arguments name and writes what it is.

  Raises:
    ConfigError: at the end, if there were files that cannot be used.
    DatasetError: if the data set is missing, damaged, or does not fit the run; or the answers
      cannot be written.
  """
  config = command_line.parse(PredictConfig, arguments, description=__doc__ or '', files='files')
  if config is None:
    return
  debug = command.is_on('debug', arguments)
  of = _of_export if opened.is_export(config.path) else _of_run
  asked = of(config, debug)
  columns = answer_rows.Columns(
    labels=asked.labels,
    top=config.top,
    probabilities=config.probabilities,
    key=answer_rows.ID if config.data else answer_rows.FILE,
    has_windows=bool(config.window_s),
    has_none=bool(asked.caution.score),
    has_label=asked.has_labels,
  )
  notes = prediction_notes.Notes(asked.labels, counts_right=bool(config.labels_from))
  rows = _rows(asked, columns, notes)
  _write(rows, columns, config, asked.files)
  noun = 'window' if config.window_s else 'clip' if config.data or asked.audio else 'picture'
  for sentence in notes.sentences(asked.audio, num_files=len(asked.files), noun=noun):
    print(sentence, file=sys.stderr)
  if notes.num_bad:
    raise errors.ConfigError(
      f'{notes.num_bad} of {errors.counted(len(asked.files), "file")} could not be used; the '
      'reasons stand above.'
    )


def _of_run(config: PredictConfig, debug: bool) -> _Asked:
  """Returns what the model of a run says; all that can be wrong is told before it is loaded."""
  run = saved_run.load(config.path)
  caution = config.caution(run.folder.confidence_file)
  dataset = _load_data(run, config) if config.data else None
  files: tuple[str, ...] = ()
  windows = None
  if dataset is None:
    compatibility.check_files(run)
    windows = config.windows_for(run.manifest.audio, most_samples=compatibility.most_samples(run))
    files = _listed(config, run.manifest.audio)
  _check_labels(config, run.manifest.labels)
  for note in (run.versions_note, caution.note and f'note: {caution.note}'):
    if note:
      print(note, file=sys.stderr)  # Results alone go to stdout.
  answering.prepare(run, debug=debug)
  model = answering.load(run, config.checkpoint)
  model.check_memory(
    dataset or run.manifest,
    batch_size=config.batch_size,
    num_examples=_num_examples(config, dataset, files),
  )
  if dataset is None:
    found = prediction.of_files(
      prediction.OfRun(run, model), files, windows=windows, batch_size=config.batch_size
    )
  else:
    found = prediction.predict_records(
      run,
      model,
      dataset,
      data_dir=config.data,
      splits=_splits(config, dataset),
      batch_size=config.batch_size,
    )
  return _Asked(
    labels=run.manifest.labels,
    audio=run.manifest.audio,
    caution=caution,
    found=_with_labels(found, config),
    files=files,
    has_labels=bool(config.labels_from or (dataset and dataset.is_labelled)),
  )


def _of_export(config: PredictConfig, debug: bool) -> _Asked:
  """Returns what an export says; all that can be wrong is told before it is loaded."""
  export = export_file.load(config.path)
  config.check_export(config.path)
  if config.checkpoint != run_folder.BEST:
    raise errors.ConfigError(
      f'--checkpoint={config.checkpoint}: the export in {config.path!r} is of '
      f'{export.origin.get("checkpoint", "one")} of a run, and holds no other.'
    )
  if config.data:
    raise errors.ConfigError(
      f'--data={config.data} holds features, and the export in {config.path!r} takes '
      f'{"audio" if export.audio else "pictures"} as recorded. Name files, or the run with '
      '--run_dir.'
    )
  windows = config.windows_for(export.audio, most_samples=export.most_samples)
  files = _listed(config, export.audio)
  _check_labels(config, export.labels)
  quiet.import_tensorflow(debug=debug)
  hearer = export_hearer.OfExport(exported.Exported(config.path))
  return _Asked(
    labels=export.labels,
    audio=export.audio,
    caution=export_hearer.caution(export),
    found=_with_labels(
      prediction.of_files(hearer, files, windows=windows, batch_size=config.batch_size), config
    ),
    files=files,
    has_labels=bool(config.labels_from),
  )


def _rows(
  asked: _Asked, columns: answer_rows.Columns, notes: prediction_notes.Notes
) -> Iterator[answer_rows.Row]:
  """Yields the rows of the answers; what cannot be used is said as it comes."""
  for found in asked.found:
    if found.error:
      print(f'{found.name}: {found.error}', file=sys.stderr)
    row = _row(found, asked.caution)
    notes.add(found, row, '' if row.error else columns.answer(row))
    yield row


def _row(found: prediction.Prediction, caution: caution_lib.Caution) -> answer_rows.Row:
  if found.error:
    return answer_rows.Row(name=found.name, error=found.error, label=found.label)
  return answer_rows.Row(
    name=found.name,
    probabilities=caution.probabilities(found.logits),
    is_none=bool(caution.rejects(found.logits[None])[0]) if caution.score else None,
    start_s=found.start_s,
    end_s=found.end_s,
    label=found.label,
  )


def _write(
  rows: Iterator[answer_rows.Row],
  columns: answer_rows.Columns,
  config: PredictConfig,
  files: Sequence[str],
) -> None:
  """Writes the answers where they are to go."""
  if config.format == answer_tables.PARQUET:
    answer_output.write_table(rows, columns, config.output)
    return
  if config.format == answer_rows.AUDACITY and len(files) > 1:
    names = answer_output.track_names(files)
    answer_output.write_tracks(rows, columns, config.output, names)
    return
  if config.format == submissions.KAGGLE:
    challenge = submissions.challenge(columns.labels)
    answers = submissions.challenge_answers(rows, columns.answer, challenge)
    lines = submissions.challenge_lines(answers)
  elif config.format == submissions.SUBMISSION:
    name, label = config.header
    with_folders = config.submission_names == submissions.PATH
    lines = submissions.submission_lines(
      rows, columns, header=(name, label), with_folders=with_folders
    )
  else:
    lines = answer_rows.LINES[config.format](rows, columns)
  if config.output:
    answer_output.write_lines(lines, config.output)
  else:
    answer_output.print_lines(lines)


def _listed(config: PredictConfig, audio: audio_schema.AudioSpec | None) -> tuple[str, ...]:
  """Returns the files, also those in folders, in their order; says what is passed by."""
  files, sentences = named_files.listed(config.files, medium.AUDIO if audio else medium.PICTURES)
  for sentence in sentences:
    print(sentence, file=sys.stderr)
  # What cannot be written is told before anything is computed.
  if config.output:
    answer_output.check_not_read(config.output, files)
  if config.format in answer_output.OF_WHOLE_FILES:
    with_folders = config.submission_names == submissions.PATH
    names = submissions.Names(config.format, with_folders=with_folders)
    for path in files:
      names.add(path)
  if config.format == answer_rows.AUDACITY:
    answer_output.check_tracks(files, config.output)
  return files


def _check_labels(config: PredictConfig, labels: Sequence[str]) -> None:
  """Says what a competition makes of the labels of a model, or refuses them."""
  if config.format == submissions.KAGGLE:
    for sentence in submissions.challenge(labels).sentences:
      print(f'note: {sentence}', file=sys.stderr)


def _with_labels(
  found: Iterator[prediction.Prediction], config: PredictConfig
) -> Iterator[prediction.Prediction]:
  """Yields predictions with the true labels of files, where those are asked for."""
  if not config.labels_from:
    return found
  return (
    dataclasses.replace(
      one, label=utterance.tidy(os.path.basename(os.path.dirname(os.path.abspath(one.name))))
    )
    for one in found
  )


def _load_data(run: saved_run.SavedRun, config: PredictConfig) -> manifest.DatasetManifest:
  """Returns the manifest of --data, if the model can be put before it."""
  dataset, _ = named_data.load_like(config.data, run.manifest, by_tensorflow=run.pooling is None)
  compatibility.check_feature(run, dataset, data_dir=config.data)
  compatibility.check_longest(run, dataset, config.split, data_dir=config.data)
  if config.split:
    compatibility.check_split(dataset, config.split, data_dir=config.data)
  named_data.check_shards(config.data, dataset, [config.split] if config.split else ())
  return dataset


def _num_examples(
  config: PredictConfig, dataset: manifest.DatasetManifest | None, files: Sequence[str]
) -> int:
  if config.window_s:
    return config.batch_size  # Or less, which is not known before they are opened.
  if dataset is None:
    return len(files)
  return max(map(dataset.num_records, _splits(config, dataset)), default=0)


def _splits(config: PredictConfig, dataset: manifest.DatasetManifest) -> Sequence[str]:
  return (config.split,) if config.split else dataset.split_names()


if __name__ == '__main__':
  sys.exit(command.run(main, stopped=command.AGAIN))
