"""The numbers of an epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scores:
  """How well examples are told apart.

  Attributes:
    loss: Mean cross-entropy, in nats.
    accuracy: Share of the examples whose label had the highest logit.
    num_examples: How many there were.
    balanced_accuracy: Mean share of right ones over the labels that examples have; None where it
      was not counted, as in training.
    macro_f1: Mean over the same labels of 2 precision recall / (precision + recall), 0 where
      nothing was right. None as above.
  """

  loss: float
  accuracy: float
  num_examples: int
  balanced_accuracy: float | None = None
  macro_f1: float | None = None


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
    wait_s: Seconds of these in which a step waited for its batch.
    skipped_steps: Steps of the epoch that loss scaling skipped; None where no loss is scaled.
  """

  epoch: int
  step: int
  learning_rate: float
  train: Scores
  validation: Scores | None
  train_s: float
  wait_s: float = 0.0
  skipped_steps: int | None = None

  @property
  def examples_per_s(self) -> float:
    """Training examples per second."""
    return self.train.num_examples / max(self.train_s, 1e-9)

  @property
  def wait_share(self) -> float:
    """Share of the time of training that was spent waiting for input."""
    return self.wait_s / max(self.train_s, 1e-9)

  def to_json(self) -> dict[str, Any]:
    """Returns plain numbers."""
    return {**dataclasses.asdict(self), 'examples_per_s': self.examples_per_s}

  @classmethod
  def from_json(cls, fields: Mapping[str, Any]) -> EpochResult:
    """Returns what to_json was called on."""
    # Earlier versions did not count skipped steps.
    known = {'skipped_steps': None, **fields}
    values = {field.name: known[field.name] for field in dataclasses.fields(cls)}
    for split in ('train', 'validation'):
      if values[split] is not None:
        values[split] = Scores(**values[split])
    return cls(**values)
