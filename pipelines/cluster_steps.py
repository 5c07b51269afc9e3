"""What a step of a pipeline does inside of its image: it runs a program, and tells what came of it.

A step knows its artifacts by `path`, where a folder or a file of its own is to lie, `metadata` and
the `log_...` functions of kfp, which is not imported here. What fails ends the step: the program's
sentence is the last line of its log.
"""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

from schemas import command, errors, splits
from tfrecords import manifest_file, storage

# What lies in place of a data set that was written to a folder of its own.
ELSEWHERE = 'elsewhere.txt'
# A matrix of more labels is left to the report: the metadata of a cluster are no place for it.
MOST_LABELS = 100
# What the recipe trains, by the folders of its runs (docs/transfer.md).
HEAD, FINE_TUNED, SCRATCH = 'head', 'fine-tuned', 'scratch'
# In a run, what its training and an earlier evaluation say of a split.
_JUDGED = ('judged', 'report.*', 'predictions.parquet', 'confusion_matrix.png', 'state-*.npz')

_Parameters = ParamSpec('_Parameters')


def _telling(step: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
  """Returns a step that ends the process with a sentence where one is to be said."""

  @functools.wraps(step)
  def told(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
    try:
      step(*args, **kwargs)
    except errors.VoxshardError as error:
      print(f'error: {error}', file=sys.stderr, flush=True)
      sys.exit(command.EXIT_BAD_INPUT)

  return told


@_telling
def featurize(*, data: Any, metrics: Any, flags: str, folder: str, **own: str) -> None:
  """Makes a data set.

  Args:
    data: The data set.
    metrics: Clips of each split, labels, hours.
    flags: Further flags of `beam_jobs.featurize`, as they are typed.
    folder: Where it is written, such as gs://BUCKET/FOLDER; '' for the artifact itself.
    **own: Flags of their own: source, input, feature. Empty ones are left away.
  """
  output = folder or data.path
  run_program('beam_jobs.featurize', {**own, 'output': output}, flags)
  if folder:
    os.makedirs(data.path, exist_ok=True)
    with open(os.path.join(data.path, ELSEWHERE), 'w', encoding='utf-8') as stream:
      stream.write(folder)
  manifest = manifest_file.load(output, storage.storage_of(output))
  found = {split: 0 for split in splits.SPLITS}
  for shard in manifest.shards:
    found[shard.name.split] += shard.num_records
  for split, num_clips in found.items():
    metrics.log_metric(f'{split}_clips', num_clips)
  metrics.log_metric('labels', len(manifest.labels))
  metrics.log_metric('hours', round(sum(shard.audio_s for shard in manifest.shards) / 3600, 4))
  data.metadata.update(
    name=manifest.name,
    folder=output,
    features=', '.join(feature.name for feature in manifest.features),
    digest=manifest_file.digest(output, storage.storage_of(output)),
  )


@_telling
def train(*, data: Any, run: Any, metrics: Any, flags: str, **own: str | int) -> None:
  """Trains a model, without a look at the test split.

  Args:
    data: A data set.
    run: The run folder.
    metrics: Of the best epoch, on validation.
    flags: Further flags of `trainer`.
    **own: Flags of their own: model, epochs, feature.
  """
  asked = {**own, 'data': folder_of(data), 'run_dir': run.path}
  run_program('trainer', asked, f'--notest {flags}')
  _tell_of_run(run, metrics)


@_telling
def transfer(
  *,
  base: Any,
  data: Any,
  run: Any,
  comparison: Any,
  metrics: Any,
  keep: str,
  flags: str,
  **own: str | int,
) -> None:
  """Trains the trunk of a run on other data, by `--recipe=transfer`.

  Args:
    base: The run whose trunk is taken.
    data: The other data.
    run: The one of the recipe's runs that is kept.
    comparison: The page that compares all three.
    metrics: Their accuracies on the test split, and what transfer gains.
    keep: HEAD or FINE_TUNED.
    flags: Further flags of `trainer`.
    **own: Flags of their own: epochs, feature.
  """
  if keep not in (HEAD, FINE_TUNED):
    raise errors.ConfigError(f'keep: expected {HEAD} or {FINE_TUNED}, got {keep!r}.')
  with tempfile.TemporaryDirectory() as folder:
    recipe = os.path.join(folder, 'transfer')
    asked = {**own, 'data': folder_of(data), 'init_from': base.path, 'run_dir': recipe}
    run_program('trainer', {**asked, 'recipe': 'transfer'}, flags)
    shutil.copyfile(os.path.join(recipe, 'comparison.html'), comparison.path)
    found = _read_json(os.path.join(recipe, 'comparison.json'))
    shutil.copytree(os.path.join(recipe, keep), run.path)
  for name, one in found['runs'].items():
    metrics.log_metric(f'{name}_accuracy', one['accuracy'])
  for name, gain in found['differences'].items():
    metrics.log_metric(f'{name}_over_{found["compared_with"]}', gain['difference'])
  run.metadata.update(_described(run.path), kept=keep)


@_telling
def evaluate(
  *, run: Any, data: Any, report: Any, metrics: Any, confusion: Any, split: str, flags: str
) -> None:
  """Judges a run; what a run holds is left as it is.

  Args:
    run: The run.
    data: The data set.
    report: The page.
    metrics: Accuracy and what else is one number.
    confusion: Which label was taken for which, of MOST_LABELS at most.
    split: What to judge on.
    flags: Further flags of `trainer.evaluate`.
  """
  with tempfile.TemporaryDirectory() as folder:
    judged = os.path.join(folder, 'run')
    shutil.copytree(run.path, judged, ignore=shutil.ignore_patterns(*_JUDGED))
    asked = {'run_dir': judged, 'data': folder_of(data), 'split': split}
    run_program('trainer.evaluate', asked, flags)
    page = _only_file(judged, 'report.html')
    found = _read_json(_only_file(judged, 'report.json'))
    shutil.copyfile(page, report.path)
  for name, value in _numbers(found).items():
    metrics.log_metric(name, value)
  labels = [row['label'] for row in found['labels']]
  matrix = found['confusion'].get('matrix')
  if matrix and len(labels) <= MOST_LABELS:
    confusion.log_confusion_matrix(labels, matrix)
  else:
    print(f'note: of more than {MOST_LABELS} labels the matrix is in the report alone.')


@_telling
def export(*, run: Any, data: Any, model: Any, formats: str, flags: str) -> None:
  """Makes a model of a run that takes raw audio and needs none of our packages.

  Args:
    run: The run.
    data: The data set; of it what is made of numbers of 8 bits learns their ranges.
    model: The export's folder.
    formats: Which, with commas.
    flags: Further flags of `trainer.export`.
  """
  asked = {
    'run_dir': run.path,
    'output': model.path,
    'format': formats,
    'calibration_data': folder_of(data),
  }
  run_program('trainer.export', asked, flags)
  found = _read_json(os.path.join(model.path, 'export.json'))
  audio = found['audio'] or {}
  model.metadata.update(
    _described(run.path),
    formats=', '.join(found['formats']),
    sample_rate_hz=audio.get('sample_rate_hz', 0),
  )


def folder_of(data: Any) -> str:
  """Returns where the data set of an artifact lies."""
  pointer = os.path.join(data.path, ELSEWHERE)
  if not os.path.exists(pointer):
    return data.path
  with open(pointer, encoding='utf-8') as stream:
    return stream.read()


def run_program(module: str, own: Mapping[str, str | int], flags: str = '') -> None:
  """Runs a program; its output is that of this process.

  Args:
    module: Such as `trainer.evaluate`.
    own: Flags that the step sets; those that are '' or 0 are left away.
    flags: Further flags, as they are typed: quotes hold words together, no shell sees them.

  Raises:
    ConfigError: if `flags` is no list of flags, or has one of `own`; if the program fails, with the
      sentence that it said last.
  """
  asked = {name: value for name, value in own.items() if value not in ('', 0)}
  words = [f'--{name}={value}' for name, value in asked.items()]
  arguments = [*words, *_split(flags, asked)]
  print(shlex.join(['python', '-m', module, *arguments]), flush=True)
  said = ''
  with (
    _Ending() as ending,
    subprocess.Popen(
      [sys.executable, '-m', module, *arguments],
      stderr=subprocess.PIPE,
      text=True,
      errors='replace',
    ) as process,
  ):
    ending.begun(process)
    for line in process.stderr or ():
      sys.stderr.write(line)
      sys.stderr.flush()
      name, colon, rest = line.partition(': ')
      if colon and name in ('error', 'interrupted'):
        said = rest.strip()
  if process.returncode:
    why = said or 'what it said stands above.'
    raise errors.ConfigError(f'python -m {module} ended with exit code {process.returncode}: {why}')
  if ending.is_asked:
    raise errors.ConfigError(
      f'python -m {module} was ended by SIGTERM, as when a cluster takes a machine away; what it '
      'had is saved. The step is not done: let it run again.'
    )


def _split(flags: str, asked: Mapping[str, Any]) -> list[str]:
  try:
    words = shlex.split(flags)
  except ValueError as error:
    raise errors.ConfigError(
      f'Flags are typed as on a command line; of {flags!r} a quote stays open. Close it.'
    ) from error
  for word in words:
    name = word.lstrip('-').partition('=')[0]
    if not word.startswith('-'):
      raise errors.ConfigError(
        f'{word!r} is no flag. Flags are written --name=value, in quotes where there is a space.'
      )
    if name in asked:
      raise errors.ConfigError(
        f'--{name} is what this step sets itself: leave it out of the further flags.'
      )
  return words


class _Ending:
  """Passes SIGTERM, by which a cluster ends a step, on to its program, which saves what it has.

  It is heard before the program begins: one that has begun and that nobody knows yet would be left
  alone, and cut off with the container.

  Attributes:
    is_asked: Whether it came. A training that was saved ends well, and is not done all the same.
  """

  def __init__(self) -> None:
    self.is_asked = False
    self._process: subprocess.Popen[str] | None = None
    self._before: Any = None

  def __enter__(self) -> _Ending:
    if threading.current_thread() is threading.main_thread():
      self._before = signal.signal(signal.SIGTERM, self._hear)
    return self

  def __exit__(self, *_: object) -> None:
    if self._before is not None:
      signal.signal(signal.SIGTERM, self._before)

  def begun(self, process: subprocess.Popen[str]) -> None:
    """Takes the program."""
    self._process = process
    if self.is_asked:
      process.terminate()

  def _hear(self, *_: object) -> None:
    self.is_asked = True
    if self._process is not None:
      self._process.terminate()


def _tell_of_run(run: Any, metrics: Any) -> None:
  epochs = _read_json(os.path.join(run.path, 'history.json'))
  metrics.log_metric('epochs', len(epochs))
  judged = [epoch[splits.VALIDATION] for epoch in epochs if epoch.get(splits.VALIDATION)]
  if judged:
    best = max(judged, key=lambda scores: (scores['accuracy'], -scores['loss']))
    metrics.log_metric('validation_accuracy', best['accuracy'])
    metrics.log_metric('validation_loss', best['loss'])
  run.metadata.update(_described(run.path))


def _described(run_dir: str) -> dict[str, Any]:
  config = _read_json(os.path.join(run_dir, 'config.json'))
  manifest = manifest_file.load(run_dir, of_run=True)
  return {
    'framework': 'keras',
    'model': config['flags']['model'],
    'labels': ', '.join(manifest.labels[:MOST_LABELS]),
    'data_set': manifest.name,
  }


def _numbers(report: Mapping[str, Any]) -> dict[str, float]:
  """Returns what a report says in one number each."""
  interval = report['accuracy_interval_95'] or {}
  found = {
    'accuracy': report['accuracy'],
    'accuracy_low_95': interval.get('low'),
    'accuracy_high_95': interval.get('high'),
    'loss': report['loss'],
    'macro_f1': report['averages']['macro']['f1'],
    'roc_auc': (report['roc_auc'] or {}).get('macro'),
    'majority_accuracy': report['majority_baseline']['accuracy'],
    'clips': report['num_examples'],
    'speakers': report['num_speakers'],
  }
  return {name: value for name, value in found.items() if value is not None}


def _only_file(folder: str, name: str) -> str:
  """Returns the one file of a name below a folder."""
  found = [os.path.join(at, name) for at, _, names in os.walk(folder) if name in names]
  (path,) = found
  return path


def _read_json(path: str) -> Any:
  with open(path, encoding='utf-8', errors='surrogateescape') as stream:
    return json.load(stream)
