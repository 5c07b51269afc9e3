"""The flags that name a model: a base of the config classes of all programs that ask one."""

from __future__ import annotations

import dataclasses

from schemas import errors
from tfrecords import command_line
from trainer.runs import saved_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFlags:
  """One field per flag."""

  run_dir: str = command_line.flag(
    saved_run.DEFAULT_RUN_DIR, 'Folder of a run of the trainer.', is_path=True
  )
  model: str = command_line.flag(
    '', 'Folder of an export (python -m trainer.export) or of a run, in place of --run_dir.',
    is_path=True,
  )  # fmt: skip

  def check_model(self, *, hint: str = '') -> None:
    """Raises ConfigError for two models in place of one.

    Args:
      hint: What the sentence ends with.
    """
    if self.model and self.run_dir != saved_run.DEFAULT_RUN_DIR:
      raise errors.ConfigError(
        f'Expected --run_dir or --model, got both: {self.run_dir} and {self.model}.{hint}'
      )

  @property
  def path(self) -> str:
    """The folder of the run or of the export."""
    return self.model or self.run_dir
