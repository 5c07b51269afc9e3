"""Says what is in audio files, with a trained model.

  python -m trainer.predict demo/corpus/yes/*.wav
  python -m trainer.predict --run_dir=runs/digits --format=csv --top=1 recordings/*.flac

Reads every format of libsndfile, at any rate, and treats a file exactly as the data job treated
those of the training: mixed to mono, resampled, cut or padded, the same feature, rounded as it is
stored. A file that cannot be used is named with the reason and the advice, the others are predicted
all the same, and the exit code is 2.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import flags
from numpy.typing import NDArray
from scipy import special

from features import clips, extractor
from features import storage as feature_storage
from schemas import command, errors
from trainer import command_line, quiet, run_folder, saved_run
from trainer.report import text

BATCH_CLIPS = 64
FORMATS = ('text', 'jsonl', 'csv')


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig:
  """One field per flag, and the files.

  Attributes:
    top: How many labels are said of each file, the most probable first.
  """

  files: tuple[str, ...]
  run_dir: str = saved_run.DEFAULT_RUN_DIR
  checkpoint: str = run_folder.BEST
  format: str = FORMATS[0]
  top: int = 3

  def __post_init__(self) -> None:
    if not self.files:
      raise errors.ConfigError(
        'Expected audio files, got none. Write: python -m trainer.predict --run_dir=FOLDER FILE...'
      )
    if self.top < 1:
      raise errors.ConfigError(f'--top must be at least 1, got {self.top}.')


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
  """What a model says of one file.

  Attributes:
    file: As it was named.
    logits: float32 [labels]; empty if the file cannot be used.
    error: Why it cannot be used, or ''.
  """

  file: str
  logits: NDArray[np.float32]
  error: str = ''

  @property
  def probabilities(self) -> NDArray[np.float64]:
    """Softmax of the logits, [labels]."""
    result: NDArray[np.float64] = special.softmax(self.logits.astype(np.float64))
    return result


def predict_files(
  run: saved_run.SavedRun, model: Any, files: Sequence[str]
) -> Iterator[Prediction]:
  """Yields a prediction per file, in their order; memory does not grow with their number.

  Args:
    run: Says how audio is brought to the model's form.
    model: The run's trained model.
    files: Paths of audio files.
  """
  features = extractor.Extractor([run.feature], run.manifest.audio)
  remaining = iter(files)
  while batch := list(itertools.islice(remaining, BATCH_CLIPS)):
    loaded = [_load(file, run) for file in batch]
    good = [clip.samples for clip in loaded if isinstance(clip, clips.Clip)]
    logits = iter(_logits(features, run, model, np.stack(good)) if good else ())
    for file, clip in zip(batch, loaded, strict=True):
      if isinstance(clip, clips.Clip):
        yield Prediction(file=file, logits=next(logits))
      else:
        yield Prediction(file=file, logits=np.zeros(0, np.float32), error=str(clip))


def _load(file: str, run: saved_run.SavedRun) -> clips.Clip | clips.ClipError:
  try:
    return clips.decode(clips.read_bytes(file), run.manifest.audio)
  except clips.ClipError as error:
    return error


def _logits(
  features: extractor.Extractor,
  run: saved_run.SavedRun,
  model: Any,
  samples: NDArray[np.float32],
) -> NDArray[np.float32]:
  """Returns float32 [clips, labels]."""
  # Through the stored form: the model learned from values that were rounded so.
  stored = features.compute_stored(samples)[run.feature.name]  # [clips, *shape]
  logits: NDArray[np.float32] = np.asarray(
    model(feature_storage.from_stored(stored), training=False), np.float32
  )
  return logits


def lines(
  predictions: Iterator[Prediction], labels: Sequence[str], config: PredictConfig
) -> Iterator[str]:
  """Yields the output, a line per file; files that cannot be used have none in text and CSV."""
  top = min(config.top, len(labels))
  if config.format == 'csv':
    numbers = range(1, top + 1)
    yield _csv_line(
      ['file', *itertools.chain(*((f'label_{i}', f'probability_{i}') for i in numbers))]
    )
  for prediction in predictions:
    if prediction.error:
      print(f'{prediction.file}: {prediction.error}', file=sys.stderr)
      if config.format == 'jsonl':
        yield json.dumps({'file': prediction.file, 'error': prediction.error}, ensure_ascii=False)
    else:
      yield _line(prediction.file, _most_probable(prediction, labels, top), config.format)


def _most_probable(
  prediction: Prediction, labels: Sequence[str], top: int
) -> list[tuple[str, float]]:
  probabilities = prediction.probabilities
  # Stable, so that equal probabilities come in the order of the labels.
  best = np.argsort(-probabilities, kind='stable')[:top]
  return [(labels[i], float(probabilities[i])) for i in best]


def _line(file: str, said: Sequence[tuple[str, float]], form: str) -> str:
  if form == 'text':
    return f'{file}: ' + ', '.join(f'{name} {text.percent(p)}' for name, p in said)
  if form == 'csv':
    return _csv_line([file, *itertools.chain(*((name, f'{p:.6f}') for name, p in said))])
  found = [{'label': name, 'probability': round(p, 6)} for name, p in said]
  return json.dumps({'file': file, 'predictions': found}, ensure_ascii=False)


def _csv_line(cells: Sequence[str]) -> str:
  stream = io.StringIO()
  csv.writer(stream, lineterminator='').writerow(cells)
  return stream.getvalue()


def define(flag_values: flags.FlagValues) -> None:
  """Defines the flags on `flag_values`."""
  flags.DEFINE_string(
    'run_dir', PredictConfig.run_dir, 'Folder of a run of the trainer.', flag_values=flag_values
  )
  flags.DEFINE_enum(
    'checkpoint', PredictConfig.checkpoint, saved_run.CHECKPOINTS, 'Which model of the run.',
    flag_values=flag_values,
  )  # fmt: skip
  flags.DEFINE_enum(
    'format', PredictConfig.format, FORMATS, 'How results are written.', flag_values=flag_values
  )
  flags.DEFINE_integer(
    'top', PredictConfig.top, 'How many labels are said of each file.', flag_values=flag_values
  )
  command_line.define_shared(flag_values)


def parse(arguments: Sequence[str]) -> PredictConfig | None:
  """Returns what the arguments ask for; None if that is help, which is printed.

  Raises:
    ConfigError: for an unknown flag, a wrong value, or no file.
  """
  flag_values = flags.FlagValues()
  define(flag_values)
  files = command_line.parse(flag_values, arguments)
  if flag_values['help'].value:
    print(command_line.help_text(__doc__ or '', flag_values))
    return None
  names = [field.name for field in dataclasses.fields(PredictConfig) if field.name != 'files']
  return PredictConfig(files=tuple(files), **{name: flag_values[name].value for name in names})


def main(arguments: Sequence[str]) -> None:
  """Predicts the files that the arguments name and prints what they are.

  Raises:
    ConfigError: at the end, if there were files that cannot be used.
  """
  config = parse(arguments)
  if config is None:
    return
  run = saved_run.load(config.run_dir)
  quiet.import_tensorflow(debug='--debug' in arguments)
  model = run.load_model(config.checkpoint)
  num_bad = 0

  def counted() -> Iterator[Prediction]:
    nonlocal num_bad
    for prediction in predict_files(run, model, config.files):
      num_bad += bool(prediction.error)
      yield prediction

  for line in lines(counted(), run.manifest.labels, config):
    print(line)
  if num_bad:
    raise errors.ConfigError(
      f'{num_bad} of {len(config.files)} files could not be used; the reasons stand above.'
    )


def run() -> int:
  """Entry point."""
  return command.run(main)


if __name__ == '__main__':
  sys.exit(run())
