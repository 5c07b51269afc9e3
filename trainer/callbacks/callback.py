"""What a listener of a run may hear."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainer.measures import scores


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepsDone:
  """Where the run stands, after some steps.

  Attributes:
    epoch: The epoch under way, from 1.
    step: Steps since the start of the run.
    step_in_epoch: Steps since the start of the epoch.
    losses: Mean loss of each of the latest steps; without those that were skipped as it is no
      number.
    examples_per_s: Training examples per second in this epoch so far.
    epoch_s: Seconds of training in this epoch so far.
    wait_share: Share of these that was spent waiting for input.
    learning_rate: After the latest step.
    trunk_learning_rate: The same of the trunk; None where it has none of its own.
  """

  epoch: int
  step: int
  step_in_epoch: int
  losses: tuple[float, ...]
  examples_per_s: float
  epoch_s: float
  wait_share: float = 0.0
  learning_rate: float = 0.0
  trunk_learning_rate: float | None = None


class Callback:
  """Hears of a run; each method does nothing unless a subclass says what."""

  def on_resume(self, results: Sequence[scores.EpochResult]) -> str:
    """Before the first step of a run that is continued, with the epochs that are done.

    Returns why the run should stop, or '' to go on.
    """
    del results
    return ''

  def on_steps(self, done: StepsDone) -> None:
    """After every execution of some steps."""

  def on_epoch(self, result: scores.EpochResult) -> str:
    """After every epoch; returns why the run should stop, or '' to go on."""
    del result
    return ''

  def on_end(self) -> None:
    """After the last epoch, also if an error or the user ended the run."""
