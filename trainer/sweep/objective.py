"""What a trial is worth: the best epoch of its run by --monitor, on the validation split."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from typing import Any

from trainer.measures import monitor, scores
from trainer.runs import run_folder

# Of which less is better.
LOSSES = ('loss',)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
  """How good a run is so far.

  Attributes:
    value: The measure of the best epoch.
    rank: What it is ranked by, the higher the better: another measure breaks ties.
    epoch: Which one it is.
    train_s: Seconds of training.
  """

  value: float
  rank: tuple[float, ...]
  epoch: int
  train_s: float


class Epochs:
  """Follows the history of a run while another process writes it."""

  def __init__(self, run_dir: str, monitored: str) -> None:
    self._file = run_folder.RunFolder(run_dir).history_file
    self._monitored = monitored
    self._seen = 0
    self._changed: Any = None
    self.results: list[scores.EpochResult] = []

  def new(self) -> list[scores.EpochResult]:
    """Returns the epochs that came since the last time; the file is written whole."""
    try:
      stat = os.stat(self._file)
      changed = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
      if changed == self._changed:
        return []
      with open(self._file, encoding='utf-8') as stream:
        found = [scores.EpochResult.from_json(fields) for fields in json.load(stream)]
    except (OSError, ValueError, KeyError, TypeError):
      return []  # None yet; or damaged, which the trainer itself says.
    self._changed = changed
    self.results = found
    since, self._seen = self._seen, len(found)
    return found[since:]

  def value(self, result: scores.EpochResult) -> float:
    """Returns the measure of an epoch; the worst where it is no number."""
    value = getattr(result.validation, self._monitored)
    if value is None or not math.isfinite(value):
      return math.inf if self._monitored in LOSSES else 0.0
    return float(value)

  def best(self) -> Found | None:
    """Returns the best epoch so far; of equals the first."""
    rank = monitor.RANKS[self._monitored]
    known = [one for one in self.results if one.validation is not None]
    if not known:
      return None
    best = max(known, key=lambda one: rank(one.validation))
    return Found(
      value=self.value(best),
      rank=rank(best.validation),
      epoch=best.epoch,
      train_s=sum(one.train_s for one in self.results),
    )


def is_finished(run_dir: str) -> bool:
  """Whether a run has come to its end."""
  return os.path.exists(run_folder.RunFolder(run_dir).outcome_file)
