"""Keeps the best and the last epoch as whole Keras models."""

from __future__ import annotations

import keras

from trainer.callbacks import best, callback
from trainer.measures import scores
from trainer.runs import run_folder, written_checkpoints


class Checkpoints(callback.Callback):
  """Writes `last.keras` after every epoch, `best.keras` after those better than all before."""

  def __init__(
    self, model: keras.Model, folder: run_folder.RunFolder, best_so_far: best.Best
  ) -> None:
    self._model = model
    self._folder = folder
    self._best = best_so_far

  def on_epoch(self, result: scores.EpochResult) -> str:
    """Saves; raises ConfigError where the file system refuses."""
    names = [run_folder.LAST]
    if self._best.epoch == result.epoch:
      names.append(run_folder.BEST)
    for name in names:
      save(self._model, self._folder, name)
    return ''


def save(model: keras.Model, folder: run_folder.RunFolder, name: str) -> None:
  """Writes a model as a checkpoint of a run, a `.keras` file that is there whole or not at all.

  Raises:
    ConfigError: if the file system refuses; what was there stays.
  """
  path = folder.checkpoint_file(name)
  # Keras insists on the ending.
  with written_checkpoints.writing(folder, path, ending='.keras') as temporary:
    model.save(temporary)
