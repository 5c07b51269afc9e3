"""Adds up what a report needs, batch by batch, in memory that does not grow with the examples."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Iterable, Mapping

import numpy as np

from trainer.measures import counting
from trainer.predictions import parquet_reader


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
    self._counts: counting.Counts | None = None
    self._max_mistakes = max_mistakes
    self._mistakes: list[Mistake] = []
    self._speakers: dict[str, list[int]] = {}  # [examples, correct]

  def add(self, batch: parquet_reader.Batch) -> None:
    """Counts some clips."""
    truth, predicted, losses = batch.labels, batch.answers, batch.losses
    num_labels = len(batch.header.labels)
    right = predicted == truth
    by_label = np.stack(
      [np.bincount(some, minlength=num_labels) for some in (truth[right], truth, predicted)]
    )
    confusion = None
    if batch.header.is_dense:
      pairs = np.bincount(truth * num_labels + predicted, minlength=num_labels**2)
      confusion = pairs.reshape(num_labels, num_labels)
    some = counting.Counts(loss_sum=float(losses.sum()), by_label=by_label, confusion=confusion)
    self._counts = self._counts + some if self._counts else some
    speakers = batch.speakers
    for speaker, is_right in zip(speakers, right, strict=True):
      counts = self._speakers.setdefault(speaker, [0, 0])
      counts[0] += 1
      counts[1] += int(is_right)
    ids, confidences = batch.ids, batch.confidences
    self._keep(
      Mistake(
        utterance_id=ids[i],
        speaker_id=speakers[i],
        truth=int(truth[i]),
        predicted=int(predicted[i]),
        probability=float(confidences[i]),
        loss=float(losses[i]),
      )
      for i in np.flatnonzero(~right)
    )

  @property
  def num_examples(self) -> int:
    """How many were added."""
    return sum(examples for examples, _ in self._speakers.values())

  @property
  def counts(self) -> counting.Counts:
    """Of all examples so far, of which there must be some."""
    assert self._counts is not None
    return self._counts

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
