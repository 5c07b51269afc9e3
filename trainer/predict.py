"""Says what is in audio files, in pictures, or in a whole data set, with a trained model.

  python -m trainer.predict demo/corpus/yes/*.wav
  python -m trainer.predict --run_dir=runs/digits --format=csv --top=1 recordings/*.flac
  python -m trainer.predict --run_dir=runs/shapes pictures
  python -m trainer.predict --run_dir=runs/words --calibrated --none_of_these recordings
  python -m trainer.predict --run_dir=runs/words --data=data/test --format=submission > answers.csv

Reads every format of libsndfile and, with the extra `media`, of FFmpeg, at any rate, and treats a
file exactly as the data job treated those of the training: one channel, the same rate,
cut or padded, the same feature, rounded as it is stored. Where the model was trained on pictures it
reads those. A folder stands for all such files in it and below. A file that cannot be used is named
with the reason and the advice, the others are predicted all the same, and the exit code is 2.

With --calibrated probabilities are right as often as they say, and with --none_of_these the model
may answer that it knows no label for what it hears; both go by what the run found on its validation
split.

With --data it predicts the records of a data set that the data job made with the settings of the
training, such as one of clips without labels (--source=unlabelled); each is called by its id.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence

from pages import words
from schemas import audio, command, errors, limits, manifest, medium, splits
from tfrecords import command_line
from trainer.confidence import caution as caution_lib
from trainer.confidence import fitted, none_scores
from trainer.data import named_data
from trainer.judging import answering, compatibility, named_files, prediction, prediction_lines
from trainer.runs import run_folder, saved_run

# So many of the files that are cut are named.
_MOST_NAMES = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig:
  """One field per flag, and the files."""

  files: tuple[str, ...] = ()
  run_dir: str = command_line.flag(
    saved_run.DEFAULT_RUN_DIR, 'Folder of a run of the trainer.', is_path=True
  )
  checkpoint: str = command_line.flag(
    run_folder.BEST, 'Which model of the run.', choices=saved_run.CHECKPOINTS
  )
  data: str = command_line.flag('', 'A data set to predict in place of files.', is_path=True)
  split: str = command_line.flag(
    '', 'Which split of --data; empty: all.', choices=('', *splits.SPLITS)
  )
  format: str = command_line.flag(
    prediction_lines.TEXT,
    'How results are written. submission: CSV with the name of each clip and its most probable '
    'label, in the order of the files; those of --data by their ids.',
    choices=prediction_lines.FORMATS,
  )
  submission_names: str = command_line.flag(
    prediction_lines.NAME,
    'What a submission calls a clip. name: its file, without folders; path: with them, as it was '
    'named, or the id in --data.',
    choices=prediction_lines.NAMES,
  )
  top: int = command_line.flag(3, 'How many labels are said of each.', limits=limits.COUNT)
  columns: str = command_line.flag('fname,label', 'Header of --format=submission.')
  calibrated: bool = command_line.flag(
    False,
    'Say probabilities that are right as often as they say: logits are divided by the temperature '
    'that the run found on its validation split (Guo et al. 2017). Answers stay the same.',
  )
  none_of_these: bool = command_line.flag(
    False,
    f'Answer {caution_lib.NONE!r} where the score of a clip lies below a threshold of the run, '
    'which it found on its validation split.',
  )
  none_score: str = command_line.flag(
    none_scores.SOFTMAX,
    'The score of --none_of_these. softmax: the probability of the answer (Hendrycks and Gimpel '
    '2017); energy: log-sum-exp of the logits (Liu et al. 2020).',
    choices=none_scores.SCORES,
  )
  false_rejections: float = command_line.flag(
    fitted.FALSE_REJECTIONS,
    'The share of clips with a label that the model knows which --none_of_these may cost.',
    limits=limits.within(0, 1),
  )
  batch_size: int = command_line.flag(
    prediction.BATCH_SIZE, 'Clips at a time.', limits=limits.COUNT
  )

  def __post_init__(self) -> None:
    if not self.files and not self.data:
      raise errors.ConfigError(
        'Expected files, got none. Write: python -m trainer.predict --run_dir=FOLDER FILE..., or '
        'name a data set with --data=FOLDER.'
      )
    if self.files and self.data:
      raise errors.ConfigError(
        f'Expected files or --data, got both: {self.files[0]!r} and --data={self.data}.'
      )
    if self.split and not self.data:
      raise errors.ConfigError(f'--split={self.split} is for data sets: name one with --data.')
    if (
      self.submission_names != prediction_lines.NAME and self.format != prediction_lines.SUBMISSION
    ):
      raise errors.ConfigError(
        f'--submission_names={self.submission_names} is for --format=submission: write both.'
      )
    self._check_caution()
    if len(self.header) != 2 or not all(self.header):
      raise errors.ConfigError(
        f'--columns: expected two names such as fname,label, got {self.columns!r}.'
      )
    command_line.check(self)

  def _check_caution(self) -> None:
    if not self.none_of_these:
      for name in ('none_score', 'false_rejections'):
        if getattr(self, name) != getattr(type(self), name):
          raise errors.ConfigError(
            f'--{name}={getattr(self, name)} has no effect without --none_of_these: write both.'
          )
    if self.checkpoint != run_folder.BEST and (self.calibrated or self.none_of_these):
      flag = '--calibrated' if self.calibrated else '--none_of_these'
      raise errors.ConfigError(
        f'{flag}: temperature and thresholds are those of the best checkpoint, got '
        f'--checkpoint={self.checkpoint}. Leave one of them away.'
      )

  @property
  def header(self) -> tuple[str, ...]:
    """The names in `columns`."""
    return tuple(self.columns.split(','))


def main(arguments: Sequence[str]) -> None:
  """Predicts what the arguments name and prints what it is.

  Raises:
    ConfigError: at the end, if there were files that cannot be used.
    DatasetError: if the data set is missing, damaged, or does not fit the run.
  """
  config = command_line.parse(PredictConfig, arguments, description=__doc__ or '', files='files')
  if config is None:
    return
  run = saved_run.load(config.run_dir)
  caution = _caution(run, config)
  dataset = _load_data(run, config) if config.data else None
  if not dataset:
    compatibility.check_files(run)
    config = _with_listed_files(run, config)
  if run.versions_note:
    print(run.versions_note, file=sys.stderr)  # Results alone go to stdout.
  answering.prepare(run, debug=command.is_on('debug', arguments))
  model = answering.load(run, config.checkpoint)
  model.check_memory(
    dataset or run.manifest,
    batch_size=config.batch_size,
    num_examples=_num_examples(config, dataset),
  )
  num_bad = num_cut = 0
  cut: list[str] = []  # Of the first, what is said.

  def counted() -> Iterator[prediction.Prediction]:
    nonlocal num_bad, num_cut
    for found in _predictions(run, model, dataset, config):
      num_bad += bool(found.error)
      num_cut += bool(found.whole_s)
      if found.whole_s and len(cut) < _MOST_NAMES:
        cut.append(f'{found.name}: {found.whole_s:.3g} s')
      yield found

  name, label = config.header
  for line in prediction_lines.lines(
    counted(),
    run.manifest.labels,
    form=config.format,
    top=config.top,
    key=prediction_lines.ID if dataset else prediction_lines.FILE,
    columns=(name, label),
    with_folders=config.submission_names == prediction_lines.PATH,
    caution=caution,
  ):
    print(line)
  if cut:
    print(_cut_sentence(cut, num_cut, config, run.manifest.audio), file=sys.stderr)
  if num_bad:
    raise errors.ConfigError(
      f'{num_bad} of '
      f'{errors.counted(len(config.files), "file")} could not be used; the reasons stand above.'
    )


def _caution(run: saved_run.SavedRun, config: PredictConfig) -> caution_lib.Caution:
  """Returns how logits become answers; what is to be said of it goes to stderr."""
  caution = caution_lib.of_run(
    run.folder.confidence_file,
    calibrated=config.calibrated,
    score=config.none_score if config.none_of_these else '',
    false_rejections=config.false_rejections,
  )
  if caution.note:
    print(f'note: {caution.note}', file=sys.stderr)
  return caution


def _cut_sentence(
  cut: Sequence[str], num_cut: int, config: PredictConfig, spec: audio.AudioSpec
) -> str:
  """Says of which files the model heard a part only."""
  named = errors.some(cut, len(cut), of=num_cut)
  return (
    f'The model heard only {spec.clip_s:g} s, the {spec.position}, of {num_cut:,} of '
    f'{words.counted(len(config.files), "file")}, as it was trained ({named}). To have all of '
    'it heard, cut them into pieces by a table with start and duration and predict with --data, '
    'or train on clips as long as they are (--clip_seconds=0 in the data job).'
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


def _with_listed_files(run: saved_run.SavedRun, config: PredictConfig) -> PredictConfig:
  """Returns the config with the files of its folders in their place; says what is passed by."""
  kind = medium.AUDIO if run.manifest.audio else medium.PICTURES
  files, sentences = named_files.listed(config.files, kind)
  for sentence in sentences:
    print(sentence, file=sys.stderr)
  if config.format == prediction_lines.SUBMISSION:  # Before anything is computed.
    with_folders = config.submission_names == prediction_lines.PATH
    prediction_lines.check_names(files, with_folders=with_folders)
  return dataclasses.replace(config, files=files)


def _num_examples(config: PredictConfig, dataset: manifest.DatasetManifest | None) -> int:
  if dataset is None:
    return len(config.files)
  return max(map(dataset.num_records, _splits(config, dataset)), default=0)


def _splits(config: PredictConfig, dataset: manifest.DatasetManifest) -> Sequence[str]:
  return (config.split,) if config.split else dataset.split_names()


def _predictions(
  run: saved_run.SavedRun,
  model: answering.Answering,
  dataset: manifest.DatasetManifest | None,
  config: PredictConfig,
) -> Iterator[prediction.Prediction]:
  if dataset is None:
    return prediction.predict_files(run, model, config.files, batch_size=config.batch_size)
  return prediction.predict_records(
    run,
    model,
    dataset,
    data_dir=config.data,
    splits=_splits(config, dataset),
    batch_size=config.batch_size,
  )


if __name__ == '__main__':
  sys.exit(command.run(main, stopped=command.AGAIN))
