"""A cross-validation, from the data set to the one report. It reads from top to bottom."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shlex
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pages import text_table, words
from schemas import command, errors, utterance
from schemas import medium as media
from tfrecords import command_line, manifest_file, storage
from trainer.child_processes import gpu_places
from trainer.data import datasets, fold_view
from trainer.data.raw import files
from trainer.folds import (
  fold_flag,
  fold_manifests,
  fold_plan,
  fold_processes,
  out_of_fold,
)
from trainer.judging import evaluation
from trainer.runs import cv_folder, run_folder, saved_run

_MOST_NAMED = 4
# Voices in the table of the terminal; report.json has all.
_MOST_VOICES = 20
_MORE = ('epochs', 'patience')  # Of which a finished fold may be given more.
_MEMORY = 'memory '


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
  """What is trained in folds.

  Attributes:
    module: The program: `trainer` or `trainer.baseline`.
    config: Its flags, with `folds`, `fold`, `parallel_folds`, `run_dir`, `overwrite`, `data`.
    data: The data set.
    said: What config.json says of the whole, without `folds`.
    model: Name of the model.
    check_same: Refuses a folder that holds folds of other flags or data; told whether they are
      finished, it says whether they are asked to be longer now.
    takes_all_devices: Whether each run is spread over all devices.
    uses_gpus: Whether it can use GPUs at all.
    judges: Whether the folds are judged at their end.
    free: Flags that may be others from fold to fold: places, rhythms and devices.
    notes: What is to be said.
  """

  module: str
  config: Any
  data: datasets.Data
  said: Mapping[str, Any]
  model: str
  check_same: Callable[[run_folder.RunFolder, bool], bool]
  takes_all_devices: bool = False
  uses_gpus: bool = True
  judges: bool = True
  free: Collection[str] = ()
  notes: tuple[str, ...] = ()


def train(job: Job, run_all: Callable[..., None] = fold_processes.run_all) -> cv_folder.CvFolder:
  """Trains the folds that are not finished, and judges them together; returns their folder.

  Args:
    job: What is asked for.
    run_all: Runs the processes of folds.

  Raises:
    DatasetError, RecordError: if the data set is damaged, or a fold could learn nothing.
    ConfigError: if the folder may not be used, the data cannot be divided so, or a fold fails.
  """
  # Everything that may be wrong is found before anything is written.
  standing = _standing(job)
  if standing.is_finished:
    print(
      f'finished {job.config.run_dir}: the folds of this command came to their end; nothing was '
      'done. Write --overwrite to replace them, or name another folder.'
    )
    return cv_folder.CvFolder(job.config.run_dir)
  divided = _divided(job, standing)
  folder = _open(job, standing)
  with fold_processes.locked(folder.lock_file) as lock:
    folder.top.remove_leftovers()
    plan = _plan(job, folder, divided)
    where = gpu_places.places(
      parallel=job.config.parallel_folds,
      takes_all_devices=job.takes_all_devices,
      uses_gpus=job.uses_gpus,
    )
    _announce(job, folder, plan, where)
    telling = _Telling(job, folder, plan, where)
    commands = {number: _command(job, folder, number) for number in range(len(plan.folds))}
    for number, arguments in commands.items():
      if not arguments:
        telling.end(number, is_kept=True)
    run_all(
      {number: arguments for number, arguments in commands.items() if arguments},
      log_of=folder.log_file,
      where=where,
      lock=lock,
      on_start=telling.start,
      on_end=lambda number: _end_fold(job, folder, number, telling),
    )
    _finish(job, folder, plan)
  return folder


def of_fold(job: Job) -> tuple[str, str]:
  """Returns the data set and the run folder of --fold, which are made if they are not there.

  Raises:
    ConfigError, DatasetError, RecordError: as `train`; and if there is no such fold.
  """
  config = job.config
  if not config.run_dir:
    raise errors.ConfigError(
      f'--fold={config.fold} is one of several runs in a folder: name it with --run_dir.'
    )
  folder = cv_folder.CvFolder(config.run_dir)
  plan = _kept_plan(job, folder)
  if plan is None or not os.path.exists(folder.top.config_file):
    standing = _standing(job)
    divided = _divided(job, standing)
    _open(job, standing)
    with fold_processes.locked(folder.lock_file):
      plan = _plan(job, folder, divided)
  if config.fold >= len(plan.folds):
    raise fold_flag.no_such_fold(config.fold, len(plan.folds), config.folds)
  return folder.data(config.fold), folder.run(config.fold).path


def _end_fold(job: Job, folder: cv_folder.CvFolder, number: int, telling: _Telling) -> None:
  """Tells of a fold whose process ended well.

  Raises:
    ConfigError: if it is not done: somebody sent that process SIGTERM, by which it saves its state.
  """
  if not _is_done(job, folder, number):
    raise errors.ConfigError(
      f'The process of fold {number} was asked to stop before its end, and saved its state: '
      f'{command.AGAIN} to go on.'
    )
  telling.end(number)


def _alone(config: Any, folder: cv_folder.CvFolder, number: int) -> Any:
  """Returns the flags of the process of a fold."""
  names = {field.name for field in dataclasses.fields(config)}
  again = {'resume': 'auto'} if 'resume' in names else {}
  return dataclasses.replace(
    config,
    fold=number,
    run_dir=folder.path,
    run_name='',
    overwrite=False,
    parallel_folds=0,
    **again,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Standing:
  """What there is in the folder.

  Attributes:
    is_there: Whether there are folds to go on with.
    is_finished: Whether nothing is left to be done.
    is_longer: Whether they are finished, and asked to be longer now.
  """

  is_there: bool
  is_finished: bool = False
  is_longer: bool = False


def _standing(job: Job) -> _Standing:
  """Returns how the folder stands; nothing is touched.

  Raises:
    ConfigError: if it may not be used.
  """
  config = job.config
  top = run_folder.RunFolder(config.run_dir)
  resume = getattr(config, 'resume', 'auto')
  is_there = bool(config.run_dir) and os.path.exists(top.config_file) and not config.overwrite
  if not is_there:
    if resume == 'must':
      raise errors.ConfigError(
        f'--resume=must: there are no folds in --run_dir={config.run_dir} to go on with.'
      )
    if config.run_dir and not _is_hardly_begun(top.path):
      top.check_usable(overwrite=config.overwrite)
    return _Standing(is_there=False)
  if resume == 'never':
    top.check_usable(overwrite=False)
  made = (top.judgement.report_file, top.judgement.predictions_file)
  is_judged = all(map(os.path.exists, made)) or not job.judges
  is_finished = os.path.exists(top.outcome_file) and is_judged
  is_longer = job.check_same(top, is_finished)
  is_finished &= not is_longer and _has_all_folds(job, cv_folder.CvFolder(top.path))
  return _Standing(is_there=True, is_finished=is_finished, is_longer=is_longer)


def _has_all_folds(job: Job, folder: cv_folder.CvFolder) -> bool:
  """Whether no run of a fold was removed since; where that cannot be told it is believed."""
  plan = _kept_plan(job, folder)
  return plan is None or all(_is_done(job, folder, number) for number in range(len(plan.folds)))


def _open(job: Job, standing: _Standing) -> cv_folder.CvFolder:
  """Returns the folder with its config.json."""
  config = job.config
  top = run_folder.RunFolder(config.run_dir)
  said = {**job.said, 'folds': {'text': config.folds}}
  if standing.is_there:
    if standing.is_longer:
      top.reopen(said)
    if not os.path.exists(top.manifest_file):  # Somebody removed it; the data set is the same.
      manifest_file.save(job.data.manifest, top.path)
    return cv_folder.CvFolder(top.path)
  if not config.run_dir:
    top = run_folder.claim_default(job.data.manifest.name, f'{job.model}-folds')
  elif _is_hardly_begun(top.path):
    for name in os.listdir(top.path):
      with contextlib.suppress(OSError):
        os.remove(os.path.join(top.path, name))
  top.create(overwrite=config.overwrite)
  manifest_file.save(job.data.manifest, top.path)
  top.write_json(top.config_file, said)
  for path in (top.checkpoints_dir, top.logs_dir):  # Those of the folds lie in their own.
    with contextlib.suppress(OSError):
      os.rmdir(path)
  return cv_folder.CvFolder(top.path)


def _is_hardly_begun(path: str) -> bool:
  """Whether a folder holds nothing but what a process that was killed left half-written."""
  names = os.listdir(path) if os.path.isdir(path) else []
  return bool(names) and all(storage.TEMPORARY_MARK in name for name in names)


def _kept_plan(job: Job, folder: cv_folder.CvFolder) -> fold_plan.Plan | None:
  return fold_plan.load(folder, job.data, job.config.folds)


def _divided(job: Job, standing: _Standing) -> fold_plan.Divided | None:
  """Returns the data set, divided; None where the folder holds that already."""
  folder = cv_folder.CvFolder(job.config.run_dir)
  if standing.is_there and _kept_plan(job, folder) is not None:
    return None
  started_s = time.monotonic()
  divided = fold_plan.divide(job.data, job.config.folds)
  num_records = sum(shard.num_records for shard in job.data.manifest.shards)
  print(
    f'divided  {num_records:,} {_noun(job)} in {_since(started_s)}: the index takes '
    f'{num_records * fold_view.INDEX_BYTES:,} bytes, nothing is copied',
    flush=True,
  )
  return divided


def _plan(
  job: Job, folder: cv_folder.CvFolder, divided: fold_plan.Divided | None
) -> fold_plan.Plan:
  """Returns the plan of a folder, which is written if it is not there; to be called with the lock.

  Another process may have written it while this one waited.
  """
  plan = _kept_plan(job, folder)
  if plan is None:
    divided = divided or fold_plan.divide(job.data, job.config.folds)
    fold_plan.write(folder, divided)
    plan = divided.plan
  return plan


def _noun(job: Job) -> str:
  return 'files' if files.is_raw(job.data.path) else 'records'


def _command(job: Job, folder: cv_folder.CvFolder, number: int) -> list[str]:
  """Returns the arguments of the process that is still to run for a fold; none if it is done."""
  if _is_done(job, folder, number):
    return []
  return ['-m', job.module, *command_line.arguments(_alone(job.config, folder, number))]


def _is_done(job: Job, folder: cv_folder.CvFolder, number: int) -> bool:
  """Whether a fold is trained and, where asked for, judged; ConfigError if it is damaged."""
  run = folder.run(number)
  is_judged = os.path.exists(run.judgement.report_file) or not job.judges
  try:
    return _is_trained(job, run) and is_judged
  except errors.ConfigError as error:
    raise errors.ConfigError(
      f'Fold {number}: {str(error).partition(". ")[0]}. Put back a copy of it, or remove the '
      f'folder {run.path!r} and run the same command again: it trains that fold anew and keeps the '
      'others.'
    ) from error


def _is_trained(job: Job, run: run_folder.RunFolder) -> bool:
  """Whether the run of a fold has come to the end that is asked for."""
  if not os.path.exists(run.config_file) or run.read_outcome() is None:
    return False
  stored = run.read_config()
  _check_settings(job, run, stored)
  flags, asked = stored.get('flags'), job.said['flags']
  return isinstance(flags, dict) and all(flags.get(name) == asked.get(name) for name in _MORE)


def _check_settings(job: Job, run: run_folder.RunFolder, stored: Mapping[str, Any]) -> None:
  """Refuses a fold that is finished by other settings than those of all: its file was changed."""
  asked = json.loads(json.dumps(job.said))
  flags = stored.get('flags')
  own = {'folds', 'fold', 'parallel_folds', 'data', 'run_dir', 'run_name', *_MORE, *job.free}
  # Of before a flag was there a fold says nothing of it.
  pairs = [
    (f'--{name}', flags[name], value)
    for name, value in asked['flags'].items()
    if name not in own and isinstance(flags, dict) and name in flags
  ]
  pairs += [
    (name, stored[name], asked.get(name))
    for name in ('model', 'feature', 'computed')
    if name in stored
  ]
  for name, found, wanted in pairs:
    if found != wanted:
      raise errors.ConfigError(
        f'{run.config_file!r} says {name}={found}, and this command trains its folds with {wanted}'
      )


class _Telling:
  """Says on the terminal how the folds go."""

  def __init__(
    self,
    job: Job,
    folder: cv_folder.CvFolder,
    plan: fold_plan.Plan,
    where: gpu_places.Places,
  ) -> None:
    self._job, self._folder, self._plan, self._where = job, folder, plan, where
    self._started_s: dict[int, float] = {}
    self._is_memory_said = False

  def start(self, number: int) -> None:
    """Notes when a fold began."""
    self._started_s[number] = time.monotonic()

  def end(self, number: int, *, is_kept: bool = False) -> None:
    """Prints the line of a fold that is finished."""
    run, fold = self._folder.run(number), self._plan.folds[number]
    name = f'fold {number:<4}'
    values = errors.some(fold.values, _MOST_NAMED)
    if fold.num_noises:
      values += f' and {errors.counted(fold.num_noises, "noise")}'
    took = 'kept' if is_kept else _since(self._started_s[number])
    if not self._is_memory_said and not is_kept:
      self._say_memory(number)
    if not self._job.judges:
      print(f'{name}{values}: trained, not judged ({took})', flush=True)
      return
    report = run.read_report()
    print(
      f'{name}{values}: accuracy {words.share(report["accuracy"])} of '
      f'{report["num_examples"]:,} {report["examples"]} ({took})',
      flush=True,
    )

  def _say_memory(self, number: int) -> None:
    with contextlib.suppress(OSError):
      with open(self._folder.log_file(number), encoding='utf-8', errors='replace') as stream:
        said = [line.strip() for line in stream if line.startswith(_MEMORY)]
      if said:
        at_once = len(self._where.gpus)
        each = f', for each of {at_once} at a time' if at_once > 1 else ''
        print(f'{said[-1]}{each}', flush=True)
    self._is_memory_said = True


def _announce(
  job: Job,
  folder: cv_folder.CvFolder,
  plan: fold_plan.Plan,
  where: gpu_places.Places,
) -> None:
  """Prints what is going to be trained, and where it goes."""
  division, count = plan.division, len(plan.folds)
  sizes = sorted(fold.num_test for fold in plan.folds)
  medium = job.data.manifest.medium
  sizes_text = f'{sizes[0]:,}' if sizes[0] == sizes[-1] else f'{sizes[0]:,} to {sizes[-1]:,}'
  print(f'data     {job.data.path}: all {_noun(job)}, of every split')
  print(
    f'folds    {count:,} of {_groups(division, plan, medium)}, each judged on {sizes_text} '
    f'{media.example(medium)}s; {len(where.gpus)} at a time{_on(where)}'
  )
  print(f'run      {folder.path}')
  print(f'curves   python -m tensorboard.main --logdir={shlex.quote(str(folder.path))}', flush=True)
  for note in (*fold_manifests.warnings(job.data.manifest), *job.notes, *_notes(job, plan)):
    print(f'note: {note}', flush=True)


def _groups(division: fold_flag.Division, plan: fold_plan.Plan, medium: str) -> str:
  if plan.num_noises:
    return utterance.counted_groups(plan.num_values, plan.num_noises, division.noun(medium))
  return division.counted(plan.num_values, medium)


def _on(where: gpu_places.Places) -> str:
  gpus = [gpu for gpu in where.gpus if gpu]
  return f', on GPU {", ".join(dict.fromkeys(gpus))}' if gpus else ''


def _notes(job: Job, plan: fold_plan.Plan) -> list[str]:
  """Returns what the user may not expect."""
  division, notes, medium = plan.division, [], job.data.manifest.medium
  voice, is_audio = media.voice(medium), medium == media.AUDIO
  if division.by == fold_flag.FIELD:
    notes.append(
      f'folds are divided by {division.field!r}: a {voice} may be in several, so this does not say '
      f'how good the model is on a {voice} that it never {"heard" if is_audio else "saw"}. '
      '--folds=speaker:N does.'
    )
  elif not job.data.manifest.speakers:
    unknown = 'nobody knows who speaks, so each clip counts as a voice of its own.'
    notes.append(unknown if is_audio else 'nobody knows which pictures belong together.')
  if job.data.manifest.config.get('extracted') is not None:
    notes.append(
      'the clips are embeddings of a trunk that was trained before: where it learned from these '
      'voices, folds know of voices that they are judged on, and look better than they are.'
    )
  if plan.num_noises:
    notes.append(
      f'{errors.counted(plan.num_noises, "recording")} of noise are dealt out over the folds, a '
      'recording to one, and make none of their own: they are no voices.'
    )
  if plan.num_copies:
    notes.append(
      'augmented copies are learned from and never judged; '
      + _copies_note(division.counted(plan.without_copies, medium), plan.without_copies)
    )
  for number, fold in enumerate(plan.folds):
    if fold.unlearned:
      notes.append(
        f'fold {number} learns from no {media.example(medium)} of '
        f'{errors.some(fold.unlearned, _MOST_NAMED)}.'
      )
    if not fold.num_validation:
      notes.append(f'fold {number} has no validation part, so its last epoch is kept as the best.')
  return notes


def _copies_note(counted: str, without: int) -> str:
  if not without:
    return 'every one has some.'
  return (
    f'{counted} {"has" if without == 1 else "have"} none, as the data job makes '
    'them of its train split only. --augment changes all clips alike, as they are read.'
  )


def _finish(job: Job, folder: cv_folder.CvFolder, plan: fold_plan.Plan) -> None:
  """Judges the folds together, and writes that all is done."""
  top = folder.top
  if job.judges:
    run = saved_run.load(folder.path, of_folds=True)
    reports = [folder.run(number).read_report() for number in range(len(plan.folds))]
    out_of_fold.write(folder, plan, run)
    report = evaluation.report_on(
      run, top.judgement, further=out_of_fold.summary(folder, plan, reports)
    )
    _say_results(folder, plan, report)
  else:
    print('note: the folds were trained and not judged (--notest), so there is no report.')
  top.write_outcome(epochs=0, steps=0, stopped='', folds=len(plan.folds))


def _say_results(
  folder: cv_folder.CvFolder, plan: fold_plan.Plan, report: Mapping[str, Any]
) -> None:
  """Prints the table of voices, and the mean."""
  voices = report['speakers']
  title = media.voice(report['examples'])
  if len(voices) > _MOST_VOICES:
    title = f'{title} (the {_MOST_VOICES} of {len(voices):,} recognised worst)'
    voices = sorted(voices, key=lambda one: one['accuracy'])[:_MOST_VOICES]
  rows = [(title, 'accuracy', report['examples'])]
  rows += [
    (one['speaker'], words.share(one['accuracy']), f'{one["num_examples"]:,}') for one in voices
  ]
  print(f'\n{text_table.lay_out(rows)}\n')
  mean = report['mean_over_folds']
  low, high = words.share(mean['low']), words.share(mean['high'])
  print(
    f'mean     accuracy {words.share(mean["accuracy"])} over {len(plan.folds):,} folds, '
    f'95 % interval {low} to {high}'
  )
  print(
    f'all      accuracy {words.share(report["accuracy"])} of {report["num_examples"]:,} '
    f'{report["examples"]}, each judged once'
  )
  print(f'note: {mean["note"]}')
  print(f'report   {folder.top.judgement.for_reading}', flush=True)


def _since(started_s: float) -> str:
  return words.duration(time.monotonic() - started_s)
