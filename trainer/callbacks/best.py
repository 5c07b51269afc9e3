"""Remembers which epoch was the best."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.callbacks import callback
from trainer.measures import monitor, scores


class Best(callback.Callback):
  """Knows the best epoch so far. Stands before the callbacks that ask it.

  Without a validation split the latest epoch is taken for the best: the loss on examples that were
  learned says nothing of others.

  Attributes:
    epoch: The best one's number, from 1; 0 before the first.
    validation: Its scores on the validation split; None where there is none.
  """

  def __init__(self, monitored: str) -> None:
    self._rank = monitor.RANKS[monitored]
    self.epoch = 0
    self.validation: scores.Scores | None = None

  def on_resume(self, results: Sequence[scores.EpochResult]) -> str:
    """Takes the epochs as if they had just been done."""
    for result in results:
      self.on_epoch(result)
    return ''

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Takes the epoch if it is better than all before; of equals the first stays."""
    old, new = self.validation, result.validation
    if old is None or new is None or self._rank(new) > self._rank(old):
      self.epoch = result.epoch
      self.validation = new
    return ''
