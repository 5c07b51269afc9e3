"""Adds up what a report needs, batch by batch, in memory that does not grow with the examples."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.judging import measures

if TYPE_CHECKING:
  from trainer.judging import judged as judged_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
  """One example that was taken for another label.

  Attributes:
    utterance_id: Its id.
    speaker_id: Who speaks.
    truth: Index of its label.
    predicted: Index of the label it was taken for.
    probability: What the model gave that label, in [0, 1].
    loss: Cross-entropy of the example, in nats: high where the model was sure of the wrong label.
  """

  utterance_id: str
  speaker_id: str
  truth: int
  predicted: int
  probability: float
  loss: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeakerCount:
  """How many examples of a speaker there are, and how many of them were recognised."""

  num_examples: int
  num_correct: int

  @property
  def accuracy(self) -> float:
    """Share of the speaker's examples that were recognised."""
    return self.num_correct / self.num_examples


class Tally:
  """Counts of all examples that were added."""

  def __init__(self, *, max_mistakes: int = 100) -> None:
    self._sums: list[Any] = []  # As measures.Counts has them.
    self._max_mistakes = max_mistakes
    self._mistakes: list[Mistake] = []
    self._speakers: dict[str, list[int]] = {}  # [examples, correct]

  def add(self, judged: judged_lib.Judged, *, ids: Sequence[str], speakers: Sequence[str]) -> None:
    """Counts a batch.

    Args:
      judged: What came of its examples, as arrays.
      ids: One per example.
      speakers: One per example.

    Raises:
      ConfigError: if the model's answer is not a number.
    """
    measures.check_numbers(judged.losses, judged.probabilities)
    sums = [judged.loss_sum.astype(np.float64), judged.by_label, judged.confusion]
    self._sums = [x + y for x, y in zip(self._sums, sums, strict=True)] if self._sums else sums
    truth, predicted = judged.labels, judged.answers
    for speaker, right in zip(speakers, predicted == truth, strict=True):
      counts = self._speakers.setdefault(speaker, [0, 0])
      counts[0] += 1
      counts[1] += int(right)
    self._keep(
      Mistake(
        utterance_id=ids[i],
        speaker_id=speakers[i],
        truth=int(truth[i]),
        predicted=int(predicted[i]),
        probability=float(judged.probabilities[i]),
        loss=float(judged.losses[i]),
      )
      for i in np.flatnonzero(predicted != truth)
    )

  @property
  def num_examples(self) -> int:
    """How many were added."""
    return sum(examples for examples, _ in self._speakers.values())

  @property
  def counts(self) -> measures.Counts:
    """Of all examples so far, of which there must be some."""
    loss_sum, by_label, confusion = self._sums
    return measures.Counts(loss_sum=float(loss_sum), by_label=by_label, confusion=confusion)

  @property
  def mistakes(self) -> list[Mistake]:
    """The mistakes of the highest loss, the worst first."""
    return list(self._mistakes)

  @property
  def speakers(self) -> Mapping[str, SpeakerCount]:
    """Counts by speaker, in the order of their names."""
    return {
      name: SpeakerCount(num_examples=examples, num_correct=correct)
      for name, (examples, correct) in sorted(self._speakers.items())
    }

  def _keep(self, mistakes: Iterable[Mistake]) -> None:
    self._mistakes = heapq.nsmallest(
      self._max_mistakes,
      [*self._mistakes, *mistakes],
      key=lambda mistake: (-mistake.loss, mistake.utterance_id),
    )
