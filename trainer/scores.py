"""The numbers of an epoch."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scores:
  """How well examples are told apart.

  Attributes:
    loss: Mean cross-entropy, in nats.
    accuracy: Share of the examples whose label had the highest logit.
    num_examples: How many there were.
  """

  loss: float
  accuracy: float
  num_examples: int


def of_sums(loss_sum: float, *, num_correct: int, num_examples: int) -> Scores:
  """Returns the means of sums over examples, of which there must be some."""
  return Scores(
    loss=loss_sum / num_examples, accuracy=num_correct / num_examples, num_examples=num_examples
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochResult:
  """One epoch of training.

  Attributes:
    epoch: Counts from 1.
    step: Training steps since the start of the run, this epoch's included.
    learning_rate: At the end of the epoch.
    train: Over the epoch's steps, while the weights moved and with dropout.
    validation: Over the whole validation split, after the epoch; None where there is none.
    train_s: Seconds of the training steps, without validation and checkpoints.
  """

  epoch: int
  step: int
  learning_rate: float
  train: Scores
  validation: Scores | None
  train_s: float

  @property
  def examples_per_s(self) -> float:
    """Training examples per second."""
    return self.train.num_examples / max(self.train_s, 1e-9)

  def to_json(self) -> dict[str, Any]:
    """Returns plain numbers."""
    return {**dataclasses.asdict(self), 'examples_per_s': self.examples_per_s}
