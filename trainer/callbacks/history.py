"""Writes the numbers of every epoch to a file."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.callbacks import callback
from trainer.measures import scores
from trainer.runs import run_folder


class History(callback.Callback):
  """Keeps `history.json` up to date: a list of epochs, written whole after each."""

  def __init__(self, folder: run_folder.RunFolder) -> None:
    self._folder = folder
    self._epochs: list[dict] = []

  def on_resume(self, results: Sequence[scores.EpochResult]) -> str:
    """Takes the epochs."""
    self._epochs = [result.to_json() for result in results]
    return ''

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Adds the epoch."""
    self._epochs.append(result.to_json())
    self._folder.write_json(self._folder.history_file, self._epochs)
    return ''
