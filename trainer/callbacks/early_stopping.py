"""Stops a run that gets no better."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.callbacks import best, callback
from trainer.measures import scores


class EarlyStopping(callback.Callback):
  """Asks to stop after `patience` epochs without a new best one; with 0 it never does."""

  def __init__(self, best_so_far: best.Best, *, patience: int) -> None:
    self._best = best_so_far
    self._patience = patience

  def on_resume(self, results: Sequence[scores.EpochResult]) -> str:
    """Returns the reason to stop, if the last epoch had been one."""
    return self.on_epoch(results[-1])

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Returns the reason to stop, or ''."""
    if not self._patience or result.epoch - self._best.epoch < self._patience:
      return ''
    return f'no epoch was better than epoch {self._best.epoch} (--patience={self._patience})'
