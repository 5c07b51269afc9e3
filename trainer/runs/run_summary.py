"""One run in a line: what was trained on what, how good it is, how far it came. Reads only JSON."""

from __future__ import annotations

import dataclasses
import datetime
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.measures import monitor, scores
from trainer.runs import cv_folder, run_folder, tolerant_json

FINISHED, UNFINISHED, DAMAGED = 'finished', 'unfinished', 'damaged'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
  """What is said of a run. None, and '', stand for what nobody knows.

  Attributes:
    path: Its folder.
    dataset: Name of the data set.
    manifest_sha256: Digest of its manifest: another one, other data.
    model: Such as `cnn:filters=64`.
    feature: What it learned from.
    validation_accuracy: Of the best epoch, on the validation split; in [0, 1].
    test_accuracy: On the test split, or out of fold.
    test_low: Lower end of its 95 % interval.
    test_high: The upper end.
    interval_over: 'speakers', or 'examples' where it takes them for independent.
    epochs: How many are done.
    of_epochs: How many were asked for.
    finished_at: When it ended, in UTC as in ISO 8601.
    train_s: Seconds of its training steps.
    parameters: Weights and moving statistics.
    folds: How many folds are finished; None where it is no run of folds.
    of_folds: How many there are to be.
    status: FINISHED, UNFINISHED (it runs, or was stopped) or DAMAGED.
    reason: What is damaged, or why it stopped early.
    data_dir: Folder of the data set, where the run found it.
  """

  path: str
  dataset: str = ''
  model: str = ''
  feature: str = ''
  validation_accuracy: float | None = None
  test_accuracy: float | None = None
  test_low: float | None = None
  test_high: float | None = None
  interval_over: str = ''
  epochs: int | None = None
  of_epochs: int | None = None
  finished_at: str = ''
  train_s: float | None = None
  parameters: int | None = None
  folds: int | None = None
  of_folds: int | None = None
  status: str = UNFINISHED
  reason: str = ''
  manifest_sha256: str = ''
  data_dir: str = ''


def summarise(path: str, folds: Sequence[str] = ()) -> Summary | None:
  """Returns what is said of the run in a folder; None if config.json is none of ours.

  Args:
    path: The folder.
    folds: Folders in it that hold a fold each.
  """
  folder = run_folder.RunFolder(path)
  damage: list[str] = []
  config = tolerant_json.fields(folder.config_file, damage, is_needed=True)
  if not damage and not {'flags', 'manifest_sha256'} & set(config):
    return None  # Many programs have a config.json.
  outcome = tolerant_json.fields(folder.outcome_file, damage)
  history = tolerant_json.epochs(folder.history_file, damage)
  report = tolerant_json.fields(folder.judgement.report_file, damage)
  flags = _of(config, 'flags', dict) or {}
  interval = _of(report, 'accuracy_interval_95', dict) or {}
  parts = [part for fold in folds if (part := summarise(fold))]
  of_folds = _num_folds(path, config, len(parts))
  first = parts[0] if parts else Summary(path=path)
  of_epochs = None if of_folds is not None else _of(flags, 'epochs', int)
  feature = _of(config, 'computed', dict) or _of(config, 'feature', dict) or {}
  is_finished = os.path.exists(folder.outcome_file)
  return Summary(
    path=path,
    dataset=_of(config, 'dataset', str) or first.dataset,
    manifest_sha256=_of(config, 'manifest_sha256', str) or '',
    data_dir=_of(config, 'data_dir', str) or first.data_dir,
    model=_of(config, 'model', str) or _of(flags, 'model', str) or first.model,
    feature=_of(feature, 'name', str) or first.feature,
    validation_accuracy=_validation(history, str(flags.get('monitor', 'accuracy'))),
    test_accuracy=_number(report.get('accuracy')),
    test_low=_number(interval.get('low')),
    test_high=_number(interval.get('high')),
    interval_over=_of(interval, 'over', str) or ('examples' if interval else ''),
    epochs=None if of_epochs is None else len(history),
    of_epochs=of_epochs,
    finished_at=_finished_at(folder, outcome) if is_finished else '',
    train_s=_train_s(history, parts),
    parameters=_of(config, 'num_parameters', int) or first.parameters,
    folds=None if of_folds is None else sum(part.status == FINISHED for part in parts),
    of_folds=of_folds,
    status=DAMAGED if damage else FINISHED if is_finished else UNFINISHED,
    reason='; '.join(damage) or _of(outcome, 'stopped', str) or '',
  )


def _num_folds(path: str, config: Mapping[str, Any], num_begun: int) -> int | None:
  """Returns how many folds a run is to have; None for a run that is no cross-validation."""
  if not num_begun and not config.get('folds'):
    return None
  # Damage of the plan is the business of the program that goes on with it.
  plan = tolerant_json.fields(cv_folder.CvFolder(path).plan_file)
  return len(_of(plan, 'folds', list) or ()) or num_begun


def _validation(history: Sequence[Mapping[str, Any]], monitored: str) -> float | None:
  """Returns the accuracy of the best epoch on the validation split; of equals the first is it."""
  rank = monitor.RANKS.get(monitored, monitor.RANKS['accuracy'])
  known = {field.name for field in dataclasses.fields(scores.Scores)}
  best: tuple[Any, float] | None = None
  for epoch in history:
    try:
      said = {name: value for name, value in epoch['validation'].items() if name in known}
      found = scores.Scores(**said)
      if best is None or rank(found) > best[0]:
        best = rank(found), found.accuracy
    except (AttributeError, KeyError, TypeError):
      continue  # Without validation.
  return _number(best[1]) if best else None


def _train_s(history: Sequence[Mapping[str, Any]], parts: Sequence[Summary]) -> float | None:
  found = [_number(epoch.get('train_s')) for epoch in history] + [part.train_s for part in parts]
  known = [seconds for seconds in found if seconds is not None]
  return sum(known) if known else None


def _finished_at(folder: run_folder.RunFolder, outcome: Mapping[str, Any]) -> str:
  said = _of(outcome, 'finished_at', str)
  if said:
    return said
  try:  # Earlier versions did not write it down.
    return run_folder.time_text(os.path.getmtime(folder.outcome_file))
  except OSError:
    return ''


def finished_time(summary: Summary) -> datetime.datetime | None:
  """Returns when a run ended; None where that is not known."""
  try:
    found = datetime.datetime.fromisoformat(summary.finished_at)
    known = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    known.astimezone()  # The first and the last day there is may have no local time.
  except (ValueError, OverflowError, OSError):
    return None
  return known


def _of(fields: Mapping[str, Any], name: str, kind: type) -> Any:
  """Returns a field if it is of a kind, else None."""
  value = fields.get(name)
  is_right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
  return value if is_right else None


def _number(value: Any) -> float | None:
  if not isinstance(value, int | float) or isinstance(value, bool):
    return None
  try:
    return float(value) if math.isfinite(value) else None
  except OverflowError:
    return None
