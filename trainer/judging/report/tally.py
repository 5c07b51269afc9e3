"""Adds up what a report needs, batch by batch, in memory that does not grow with the examples."""

import dataclasses
import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from schemas import errors
from trainer.judging.report import measures


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
  """Counts of all examples that were added.

  Attributes:
    confusion: int64 [labels, labels]: rows are true, columns predicted.
    loss_sum: Sum of the examples' cross-entropies, in nats.
  """

  def __init__(self, num_labels: int, *, max_mistakes: int = 100) -> None:
    self.confusion = np.zeros((num_labels, num_labels), np.int64)
    self.loss_sum = 0.0
    self._max_mistakes = max_mistakes
    self._mistakes: list[Mistake] = []
    self._speakers: dict[str, list[int]] = {}  # [examples, correct]

  def add(
    self,
    logits: NDArray[np.float32],
    truth: NDArray[Any],
    *,
    ids: Sequence[str],
    speakers: Sequence[str],
  ) -> None:
    """Counts a batch.

    Args:
      logits: [batch, labels].
      truth: Label indices [batch].
      ids: One per example.
      speakers: One per example.

    Raises:
      ConfigError: if a logit is not a number.
    """
    if not np.isfinite(logits).all():
      raise errors.ConfigError(
        'The model gives logits that are not numbers: its training went astray. Train again with '
        'a lower --learning_rate, or evaluate --checkpoint=best if this was the last one.'
      )
    log_probabilities = special.log_softmax(logits.astype(np.float64), axis=1)
    predicted = np.argmax(logits, axis=1)
    losses = -log_probabilities[np.arange(len(truth)), truth]
    self.loss_sum += float(losses.sum())
    self.confusion += measures.confusion(truth, predicted, num_labels=len(self.confusion))
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
        probability=float(np.exp(log_probabilities[i, predicted[i]])),
        loss=float(losses[i]),
      )
      for i in np.flatnonzero(predicted != truth)
    )

  @property
  def num_examples(self) -> int:
    """Examples so far."""
    return int(self.confusion.sum())

  @property
  def num_mistakes(self) -> int:
    """Examples that were taken for another label."""
    return self.num_examples - int(np.trace(self.confusion))

  @property
  def loss(self) -> float:
    """Mean cross-entropy, in nats; 0 without examples."""
    return self.loss_sum / max(1, self.num_examples)

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
