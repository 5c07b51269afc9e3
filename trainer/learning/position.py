"""Where a run stands: what a checkpoint says beside the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from schemas import errors
from trainer.learning import steps
from trainer.measures import scores


@dataclasses.dataclass(kw_only=True)
class Position:
  """Counts up as the run goes on.

  Attributes:
    step: Training steps that are done.
    results: One for each epoch that is done.
    loss_sum: Over the examples of the epoch that is under way; so are the following.
    num_correct: Examples whose label had the highest logit.
    num_examples: Examples.
    num_skipped: Steps that were skipped; None where no loss is scaled.
    skipped_in_row: Steps that were skipped one after the other up to here, over the ends of epochs.
    train_s: Seconds of training.
    wait_s: Seconds of these that were spent waiting for input.
  """

  step: int = 0
  results: list[scores.EpochResult] = dataclasses.field(default_factory=list)
  loss_sum: float = 0.0
  num_correct: int = 0
  num_examples: int = 0
  num_skipped: int | None = None
  skipped_in_row: int = 0
  train_s: float = 0.0
  wait_s: float = 0.0

  @property
  def epoch(self) -> int:
    """The epoch under way, from 1."""
    return len(self.results) + 1

  def add(self, found: steps.StepScores, *, seconds: float) -> None:
    """Adds steps, one by one: sums do not depend on how many were taken at once.

    A step whose loss is no number was skipped: nobody learned from its examples, and they are not
    counted.
    """
    told = np.isfinite(found.losses)
    for loss, count in zip(found.losses[told].tolist(), found.counts[told].tolist(), strict=True):
      self.loss_sum += loss * count
    self.step += len(found.losses)
    self.num_correct += int(found.num_correct[told].sum())
    self.num_examples += int(found.counts[told].sum())
    if found.skipped is not None:
      self.num_skipped = (self.num_skipped or 0) + int(found.skipped.sum())
      taken = np.flatnonzero(~found.skipped)
      tail = len(found.skipped) - (taken[-1] + 1 if len(taken) else 0)
      self.skipped_in_row = int(tail) + (0 if len(taken) else self.skipped_in_row)
    self.train_s += seconds
    self.wait_s += found.wait_s

  def end_epoch(self, result: scores.EpochResult) -> None:
    """Adds an epoch, and begins the next."""
    self.results.append(result)
    self.loss_sum, self.num_correct, self.num_examples, self.num_skipped = 0.0, 0, 0, None
    self.train_s, self.wait_s = 0.0, 0.0

  def to_json(self) -> dict[str, Any]:
    """Returns plain numbers; Python writes a float so that the same one is read."""
    return {**vars(self), 'results': [result.to_json() for result in self.results]}

  @classmethod
  def from_json(cls, fields: Mapping[str, Any]) -> Position:
    """Returns what to_json was called on.

    Raises:
      ConfigError: if it is not that.
    """
    try:
      results = [scores.EpochResult.from_json(result) for result in fields['results']]
      return cls(**{**fields, 'results': results})
    except (KeyError, TypeError, AttributeError) as error:
      raise errors.ConfigError(
        'Where the run stands is not said in its checkpoint as this version writes it '
        f'({type(error).__name__}: {error}). Go on with the version that wrote it, begin anew with '
        '--overwrite, or name another --run_dir.'
      ) from error
