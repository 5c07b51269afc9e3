"""Where things lie in the folder of a cross-validation."""

from __future__ import annotations

import dataclasses
import os

from trainer.runs import run_folder

FOLD_PREFIX = 'fold-'


@dataclasses.dataclass(frozen=True)
class CvFolder:
  """What lies in the folder `path` beside what the folder of every run holds.

  config.json, manifest.json (of the whole data set), predictions.parquet, report.json and
  outcome.json lie at the top, as those of a run.

  Attributes:
    path: The folder.
    data_dir: Folder of the folds as data sets, and of the index that they share.
    plan_file: Which voices are in which fold: JSON, written when all of data_dir is.
    lock_file: Locked while somebody trains in the folder.
  """

  path: str

  data_dir = property(lambda self: os.path.join(self.path, 'data'))
  plan_file = property(lambda self: os.path.join(self.data_dir, 'plan.json'))
  lock_file = property(lambda self: os.path.join(self.path, 'lock'))

  @property
  def top(self) -> run_folder.RunFolder:
    """The folder as that of a run."""
    return run_folder.RunFolder(self.path)

  def run(self, number: int) -> run_folder.RunFolder:
    """The folder of the run of a fold."""
    return run_folder.RunFolder(os.path.join(self.path, f'{FOLD_PREFIX}{number:02d}'))

  def data(self, number: int) -> str:
    """The fold as a data set."""
    return os.path.join(self.data_dir, f'{number:02d}')

  def log_file(self, number: int) -> str:
    """What the process of a fold says."""
    return os.path.join(self.path, f'{FOLD_PREFIX}{number:02d}.log')
