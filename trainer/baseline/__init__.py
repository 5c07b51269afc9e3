"""Trains a classifier of scikit-learn on a data set of the data job: what a network has to beat.

  python -m trainer.baseline
  python -m trainer.baseline --data=/data/digits --model=svm:c=10 --run_dir=runs/digits-svm
  python -m trainer.baseline --data=/data/digits --model=logistic:c=0 --parts=4
  python -m trainer.baseline --data=/data/digits --folds=speaker:5

Every clip becomes one vector: mean, deviation and quantiles of each bin of a feature over time; an
embedding or a picture is taken as it is. The data set is read once, and TensorFlow is not needed.
The run folder is that of a run of `python -m trainer`, with the same report on the test split:
`python -m trainer.evaluate` and `python -m trainer.predict` take it too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pages import words
from schemas import command, errors, limits, options, splits
from tfrecords import command_line, manifest_file
from tfrecords.pipeline import batch_request
from tfrecords.resources import cores, free_memory
from trainer import baselines
from trainer.baselines import classifier, family, pooled_split, skops_file
from trainer.baselines import pooling as pooling_lib
from trainer.child_processes import parent_tie
from trainer.data import datasets, named_data
from trainer.data.raw import files
from trainer.devices import memory_budget
from trainer.folds import cross_validation, fold_flag
from trainer.judging import evaluation, judged
from trainer.judging.report import confidence_text
from trainer.learning import class_weights
from trainer.measures import counting, monitor
from trainer.measures import scores as scores_lib
from trainer.runs import library_versions, run_folder, written_checkpoints

_BATCH_SIZE = 256
# Flags that may be others in the command of a finished run: they name places, or the threads.
_FREE = frozenset({'data', 'fold', 'jobs', 'overwrite', 'parallel_folds', 'run_dir', 'run_name'})

flag = command_line.flag


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselineConfig:
  """One field per flag, with what --help says of it and what it may be."""

  data: str = flag(
    datasets.DEMO_DATA, 'Folder of a data set, as the data job wrote it.', is_path=True
  )
  run_dir: str = flag(
    '',
    'Folder for all that the run writes. Empty: runs/DATASET-MODEL, with a number behind it where '
    'that is taken.',
    is_path=True,
  )
  run_name: str = flag('', 'The same as --run_dir=runs/NAME.')
  overwrite: bool = flag(
    False, 'Replace the run in --run_dir, if there is one.', needs=('run_dir', 'run_name')
  )
  model: str = flag(
    'random_forest',
    'What to train, with settings as in random_forest:trees=500. With c=0 the validation split '
    f'chooses c. Known: {options.described(baselines.SETTINGS)}.',
  )
  feature: str = flag('', "Which of the data set's features to learn from; empty: the only one.")
  quantiles: str = flag(
    ','.join(map(str, pooling_lib.QUANTILES)),
    'Which quantiles over time of each bin stand beside its mean and its deviation, from 0 (the '
    'least value) to 1 (the greatest); empty: none.',
  )
  parts: int = flag(
    1,
    'Cut each clip into so many parts over time, and pool each by itself: with 1 nothing is known '
    'of the order of sounds.',
    limits=limits.COUNT,
  )
  class_weights: str = flag(
    'none',
    'balanced: examples of rare labels count more, so that every label counts alike.',
    choices=class_weights.CLASS_WEIGHTS,
  )
  unknown_labels: str = flag(
    '',
    'Labels whose clips are left out of training and validation, so that their test clips judge '
    'how well the model tells what is none of its labels: how many (2; --seed decides which), or '
    'their names (yes,no).',
  )
  seed: int = flag(
    0,
    'Where what is drawn comes from.',
    limits=limits.NATURAL,
  )
  jobs: int = flag(
    0,
    'Threads; 0: one for each core that the process may use. What is learned is the same.',
    limits=limits.within(0, 4096),
  )

  folds: str = flag('', fold_flag.HELP)
  parallel_folds: int = flag(
    0, 'Of --folds: so many are trained at a time; 0: one.', limits=limits.NATURAL
  )
  fold: int | None = flag(
    None,
    f'{fold_flag.HELP_OF_ONE}.',
    limits=limits.NATURAL,
  )

  def __post_init__(self) -> None:
    if not self.data:
      raise errors.ConfigError('--data must name the folder of a data set, got an empty text.')
    if files.is_raw(self.data):
      raise errors.ConfigError(
        f'--data={self.data}: a baseline learns from the features of a data set, and not from raw '
        'files. Run the data job, and name its --output.'
      )
    command_line.check(self)
    baselines.parse(self.model)
    fold_flag.check(self.folds, fold=self.fold, parallel=self.parallel_folds)
    if self.folds and self.unknown_labels:
      raise errors.ConfigError(
        f'--folds={self.folds} judges every clip, and --unknown_labels={self.unknown_labels} '
        'leaves some out. Leave one of them away.'
      )
    _ = self.pooling
    object.__setattr__(self, 'run_dir', run_folder.of_name(self.run_name, self.run_dir))

  @property
  def pooling(self) -> pooling_lib.Pooling:
    """How clips are pooled; ConfigError if the flags are no such thing."""
    texts = [text.strip() for text in self.quantiles.split(',')] if self.quantiles else []
    try:
      quantiles = tuple(map(float, texts))
    except ValueError as error:
      raise errors.ConfigError(
        f'--quantiles: expected numbers from 0 to 1 as in 0.1,0.5,0.9, got {self.quantiles!r}.'
      ) from error
    return pooling_lib.Pooling(quantiles=quantiles, parts=self.parts)

  def to_json(self) -> dict[str, Any]:
    """Returns plain strings and numbers, one per flag."""
    return dataclasses.asdict(self)


def main(arguments: Sequence[str]) -> None:
  """Trains what the arguments ask for."""
  config = command_line.parse(BaselineConfig, arguments, description=__doc__ or '')
  if config is None:
    return
  if config.folds:
    job = _folds(config)
    if config.fold is None:
      cross_validation.train(job)
      return
    data_dir, run_dir = cross_validation.of_fold(job)
    config = dataclasses.replace(
      config, data=data_dir, run_dir=run_dir, run_name='', folds='', fold=None, parallel_folds=0
    )
  train(config)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Job:
  """What is asked for, looked up.

  Attributes:
    config: The flags.
    data: The data set.
    name: What is trained.
    settings: How.
    size: How large the matrix of the train split is.
  """

  config: BaselineConfig
  data: datasets.Data
  name: str
  settings: Any
  size: family.Size

  @property
  def member(self) -> family.BaselineFamily:
    """The line of the table."""
    return baselines.BASELINES[self.name]

  @property
  def noun(self) -> str:
    """What there is one of for each record."""
    return 'clip' if self.data.manifest.audio else 'picture'

  def request(self, split: str) -> batch_request.BatchRequest:
    """Returns what asks for each record of a split once."""
    return batch_request.BatchRequest(
      data_dir=self.data.path,
      manifest=self.data.manifest,
      split=split,
      feature_names=(self.data.feature.name,),
      batch_size=_BATCH_SIZE,
    )


def train(config: BaselineConfig) -> run_folder.RunFolder:
  """Trains what the config asks for and returns the folder with all that came of it.

  Raises:
    DatasetError: if the data set is missing, damaged, or holds nothing to pool.
    RecordError: if a shard is damaged.
    ConfigError: if the folder may not be used, or the memory does not suffice.
  """
  # Everything that may be wrong is found before anything is written.
  job = _looked_up(config)
  if _is_finished(config, job.data):
    print(
      f'finished {config.run_dir}: the run of this command came to its end; nothing was done. '
      'Write --overwrite to replace it, or name another folder.'
    )
    return run_folder.RunFolder(config.run_dir)
  memory_text = _check_memory(job)
  folder = _open_folder(job)
  _announce(job, folder, memory_text)
  started_s = time.monotonic()
  vectors, labels = pooled_split.read(job.request(splits.TRAIN), config.pooling)
  print(f'pooled   {words.counted(len(labels), job.noun)} in {_since(started_s)}', flush=True)
  found, chosen = _learned(job, folder, vectors, labels)
  with written_checkpoints.writing(folder, folder.baseline_file) as temporary:
    skops_file.save(temporary, found.estimator)
  _finish(job, folder, chosen)
  return folder


def _looked_up(config: BaselineConfig) -> _Job:
  data = datasets.load(
    config.data,
    feature_name=config.feature,
    by_tensorflow=False,
    unknown_labels=config.unknown_labels,
    seed=config.seed,
  )
  named_data.check_shards(data.path, data.manifest)
  name, settings = baselines.parse(config.model)
  if len(baselines.BASELINES[name].candidates(settings)) > 1 and not data.has_validation:
    raise errors.ConfigError(
      f'--model={config.model}: with c=0 the validation split chooses, and {data.path!r} has none. '
      'Write c=1 or another number.'
    )
  size = family.Size(
    clips=data.manifest.num_records(splits.TRAIN),
    values=config.pooling.num_values(data.feature),
    labels=data.manifest.num_labels,
  )
  return _Job(config=config, data=data, name=name, settings=settings, size=size)


def _learned(
  job: _Job,
  folder: run_folder.RunFolder,
  vectors: NDArray[np.float32],
  labels: NDArray[np.int64],
) -> tuple[classifier.Classifier, str]:
  """Returns what learned best, and what it is called; writes how each did on validation."""
  history: list[dict[str, Any]] = []
  best: tuple[Any, ...] = ()
  for candidate in job.member.candidates(job.settings):
    started_s = time.monotonic()
    text = options.format_option(job.name, candidate)
    found, notes = classifier.learn(
      job.name, candidate, vectors, labels, num_labels=job.size.labels, fit=_fit(job)
    )
    learned_s = time.monotonic() - started_s
    scores = _validated(job, found) if job.data.has_validation else None
    said = (
      f': validation accuracy {words.share(scores.accuracy)}, loss {scores.loss:.4f}'
      if scores
      else ''
    )
    print(f'learned  {text} in {words.duration(learned_s)}{said}', flush=True)
    for note in notes:
      print(f'note: {note}', flush=True)
    validation = dataclasses.asdict(scores) if scores else None
    history.append({'model': text, 'train_s': learned_s, 'validation': validation})
    rank = monitor.RANKS['accuracy'](scores) if scores else ()
    if not best or rank > best[0]:
      best = rank, found, text
  folder.write_json(folder.history_file, history)
  return best[1], best[2]


def _fit(job: _Job) -> family.Fit:
  counts = job.data.manifest.label_counts(splits.TRAIN)
  weights = class_weights.CLASS_WEIGHTS[job.config.class_weights](counts)
  return family.Fit(
    seed=job.config.seed,
    class_weights=weights and {i: weights[i] for i, count in enumerate(counts) if count},
    jobs=job.config.jobs or cores.usable(),
  )


def _validated(job: _Job, found: classifier.Classifier) -> scores_lib.Scores:
  """Returns the scores on the validation split."""
  counts: counting.Counts | None = None
  for batch in pooled_split.read_batches(job.request(splits.VALIDATION), job.config.pooling):
    some = judged.of_logits(batch.labels, found.logits(batch.vectors))
    counts = counts + some if counts else some
  num_read = counts.num_examples if counts else 0
  named_data.check_count(num_read, job.data.manifest, splits.VALIDATION, data_dir=job.data.path)
  assert counts is not None  # There is a validation split.
  return counting.scores(counts)


def _finish(job: _Job, folder: run_folder.RunFolder, model_text: str) -> None:
  """Judges what was learned, and writes that the run is finished."""
  folder.write_json(folder.config_file, {**folder.read_config(), 'model': model_text})
  report = evaluation.judge_finished(
    folder.path, on_validation=job.data.has_validation, on_test=job.data.has_test
  )
  if report:
    print(
      f'test     accuracy {words.share(report["accuracy"])} on {report["num_examples"]:,} '
      f'{report["examples"]}'
    )
    for line in confidence_text.unknown_lines(report['none_of_these'], report['examples']):
      print(line)
    print(f'report   {folder.judgement.for_reading}')
  else:
    print(f'note: there is no {splits.TEST} split, so there is no report.')
  folder.write_outcome(epochs=1, steps=0, stopped='')
  size = memory_budget.size_text(os.path.getsize(folder.baseline_file))
  print(f'model    {folder.baseline_file}, {size}', flush=True)


def _check_memory(job: _Job) -> str:
  """Returns what is said of the memory that learning takes.

  Raises:
    ConfigError: if it is not there.
  """
  extra, free = job.member.extra_bytes(job.settings, job.size), free_memory.free_bytes()
  needed = job.size.num_bytes + extra
  pooled_text, extra_text = map(memory_budget.size_text, (job.size.num_bytes, extra))
  if free is not None and needed > free:
    raise errors.ConfigError(
      f'The memory does not suffice: {words.counted(job.size.clips, job.noun)} pooled to '
      f'{words.counted(job.size.values, "number")} take {pooled_text}, and learning with '
      f'{job.config.model} about {extra_text} more; {memory_budget.size_text(free)} are free on '
      'this machine. Pool to fewer numbers (--quantiles, --parts, a smaller --feature), take fewer '
      'clips (--max_per_label or --sample in the data job), or a machine with more memory.'
    )
  of = f' of {memory_budget.size_text(free)} {memory_budget.MACHINE}' if free is not None else ''
  return (
    f'about {memory_budget.size_text(needed)}{of}: the pooled {job.noun}s {pooled_text}, '
    f'learning {extra_text}'
  )


def _folds(config: BaselineConfig) -> cross_validation.Job:
  """Returns what is trained in folds, looked up."""
  data = datasets.load(config.data, feature_name=config.feature, by_tensorflow=False)
  named_data.check_shards(data.path, data.manifest)
  name, settings = baselines.parse(config.model)

  def check_same(folder: run_folder.RunFolder, is_finished: bool) -> bool:
    del is_finished
    _check_same(config, data, folder)
    return False

  return cross_validation.Job(
    module='trainer.baseline',
    config=config,
    data=data,
    said=_said(config, data, options.format_option(name, settings)),
    model=name,
    check_same=check_same,
    uses_gpus=False,
    free=_FREE,
  )


def _is_finished(config: BaselineConfig, data: datasets.Data) -> bool:
  """Whether the run of this command is done already; nothing is touched.

  Raises:
    ConfigError: if the folder may not be used.
  """
  folder = run_folder.RunFolder(config.run_dir)
  if not config.run_dir:
    return False
  if config.overwrite or not os.path.exists(folder.config_file):
    folder.check_usable(overwrite=config.overwrite)
    return False
  _check_same(config, data, folder)
  return folder.read_outcome() is not None and os.path.exists(folder.baseline_file)


def _check_same(config: BaselineConfig, data: datasets.Data, folder: run_folder.RunFolder) -> None:
  """Raises ConfigError if the run in a folder is of other flags or data."""
  stored = folder.read_config()
  if stored.get('pooling') is None:
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run of `python -m trainer`. Replace it with '
      '--overwrite, or name another folder.'
    )
  flags = stored.get('flags')
  # Of before a flag was there it says nothing of it.
  defaults = {field.name: field.default for field in dataclasses.fields(config)}
  flags = {**defaults, **(flags if isinstance(flags, dict) else {})}
  asked = json.loads(json.dumps(config.to_json()))
  differing = [
    f'--{key}={flags.get(key)} (here {value})'
    for key, value in sorted(asked.items())
    if key not in _FREE and flags.get(key) != value
  ]
  if differing:
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run, with {", ".join(differing)}. Replace it with '
      '--overwrite, or name another folder.'
    )
  if stored.get('manifest_sha256') != data.digest:
    raise errors.ConfigError(
      f'--run_dir={folder.path} already holds a run, on another data set than {data.path!r} is '
      'now. Replace it with --overwrite, or name another folder.'
    )


def _open_folder(job: _Job) -> run_folder.RunFolder:
  """Makes the run's folder, with config.json and the manifest; a run that was stopped goes."""
  config, data = job.config, job.data
  if config.run_dir:
    folder = run_folder.RunFolder(config.run_dir)
  else:
    folder = run_folder.claim_default(data.manifest.name, job.name)
  folder.create(overwrite=True)  # Whether it may be was asked before.
  folder.remove_leftovers()
  manifest_file.save(data.manifest, folder.path)
  written_checkpoints.note(folder, folder.manifest_file)
  model_text = options.format_option(job.name, job.settings)
  folder.write_json(folder.config_file, _said(config, data, model_text))
  return folder


def _said(config: BaselineConfig, data: datasets.Data, model_text: str) -> dict[str, Any]:
  """Returns what config.json says."""
  return {
    'flags': config.to_json(),
    'command': command_line.text_of(
      config, 'python -m trainer.baseline', without=('run_dir', 'run_name', 'overwrite')
    ),
    'data_dir': files.absolute(data.path),
    'dataset': data.manifest.name,
    'manifest_sha256': data.digest,
    'feature': data.feature.to_json(),
    'computed': None,
    'model': model_text,
    'pooling': config.pooling.to_json(),
    'versions': library_versions.here(library_versions.OF_BASELINES),
  }


def _announce(job: _Job, folder: run_folder.RunFolder, memory_text: str) -> None:
  """Prints what is going to be trained, on what, and where it goes."""
  found, feature = job.data.manifest, job.data.feature
  counts = ', '.join(f'{split} {found.num_records(split):,}' for split in found.split_names())
  print(
    f'data     {job.data.path}: {words.counted(found.num_labels, "label")}; {job.noun}s: {counts}'
  )
  name = options.format_option(job.name, job.settings)
  print(
    f'model    {name} on {feature.name}, {feature.shape_words}: '
    f'{words.counted(job.size.values, "number")} a {job.noun}'
  )
  unknown = datasets.said_of_unknown(found)
  if unknown:
    print(f'unknown  {unknown}')
  print(f'memory   {memory_text}')
  print(f'run      {folder.path}', flush=True)
  missing = datasets.unlearned_labels(found)
  lacking = [f'no clip of the train split has the label {", ".join(missing)}.'] if missing else []
  for note in [*found.warnings, *job.member.cautions(job.settings, job.size), *lacking]:
    print(f'note: {note}', flush=True)


def _since(started_s: float) -> str:
  return words.duration(time.monotonic() - started_s)


def run() -> int:
  """Entry point of `python -m trainer.baseline`."""
  parent_tie.end_with_parent()
  return command.run(main, stopped=command.AGAIN)
