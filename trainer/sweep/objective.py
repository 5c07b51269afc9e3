"""What a trial is worth: the best epoch of its run by --monitor, on the validation split.

Of a trial with --folds it is the mean of that over the folds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.measures import monitor, scores
from trainer.runs import cv_folder, run_folder, tolerant_json

# Of which less is better.
LOSSES = ('loss',)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
  """How good a trial is so far.

  Attributes:
    value: The measure of the best epoch; the mean over folds.
    rank: What it is ranked by, the higher the better: another measure breaks ties.
    epoch: Which epoch it is; 0 of folds, which have one each.
    train_s: Seconds of training.
    interval: Of the mean over folds, to 95 %; None where there is none.
  """

  value: float
  rank: tuple[float, ...]
  epoch: int
  train_s: float
  interval: tuple[float, float] | None = None


class Epochs:
  """Follows the history of a run while another process writes it."""

  def __init__(self, run_dir: str, monitored: str) -> None:
    self._file = run_folder.RunFolder(run_dir).history_file
    self._monitored = monitored
    self._seen = 0
    self._changed: Any = None
    self._results: list[scores.EpochResult] = []

  def new(self) -> list[tuple[int, float]]:
    """Returns the epochs that came since the last time, each with its measure."""
    self._read()
    since, self._seen = self._seen, len(self._results)
    return [
      (one.epoch, _number(getattr(one.validation, self._monitored), self._monitored))
      for one in self._results[since:]
      if one.validation is not None
    ]

  def best(self) -> Found | None:
    """Returns the best epoch so far; of equals the first."""
    self._read()
    rank = monitor.RANKS[self._monitored]
    known = [one for one in self._results if one.validation is not None]
    if not known:
      return None
    best = max(known, key=lambda one: rank(one.validation))
    return Found(
      value=_number(getattr(best.validation, self._monitored), self._monitored),
      rank=rank(best.validation),
      epoch=best.epoch,
      train_s=sum(one.train_s for one in self._results),
    )

  def _read(self) -> None:
    """Takes what is in the file, which is written whole, where it is another one now."""
    try:
      stat = os.stat(self._file)
      changed = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
      if changed == self._changed:
        return
    except OSError:
      return  # None yet.
    damage: list[str] = []
    found = tolerant_json.epochs(self._file, damage)
    if damage:
      return  # Which the trainer itself says.
    with contextlib.suppress(ValueError, KeyError, TypeError):  # As well.
      self._results = [scores.EpochResult.from_json(fields) for fields in found]
      self._changed = changed


class Folds:
  """Follows the folds of a cross-validation; the mean over the first few stands for a step."""

  def __init__(self, run_dir: str, monitored: str) -> None:
    self._folder = cv_folder.CvFolder(run_dir)
    self._monitored = monitored
    self._seen = 0

  def new(self) -> list[tuple[int, float]]:
    """Returns how many folds are finished and the mean over these, for each that came since."""
    found = list(self._finished())
    since, self._seen = self._seen, max(self._seen, len(found))
    return [
      (count, _mean([one.value for one in found[:count]]))
      for count in range(since + 1, len(found) + 1)
    ]

  def best(self) -> Found | None:
    """Returns the mean over all folds that are finished, from the first on."""
    found = list(self._finished())
    if not found:
      return None
    values = [one.value for one in found]
    return Found(
      value=_mean(values),
      rank=tuple(map(_mean, zip(*(one.rank for one in found), strict=True))),
      epoch=0,
      train_s=sum(one.train_s for one in found),
      interval=self._interval(values),
    )

  def _finished(self) -> Iterator[Found]:
    number = 0
    while is_finished(self._folder.run(number).path):
      one = Epochs(self._folder.run(number).path, self._monitored).best()
      if one is None:
        return
      yield one
      number += 1

  def _interval(self, values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < 2 or self._monitored in LOSSES:
      return None
    from trainer.folds import out_of_fold  # It imports what takes a second.

    found = out_of_fold.mean_over_folds(values)
    return found['low'], found['high']


def _mean(values: Sequence[float]) -> float:
  return math.fsum(values) / len(values)


def _number(value: float | None, monitored: str) -> float:
  """Returns a measure; the worst where it is no number."""
  if value is None or not math.isfinite(value):
    return math.inf if monitored in LOSSES else 0.0
  return float(value)


def is_finished(run_dir: str) -> bool:
  """Whether a run, or a cross-validation, has come to its end."""
  return os.path.exists(run_folder.RunFolder(run_dir).outcome_file)
