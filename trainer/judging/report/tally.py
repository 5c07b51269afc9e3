"""Adds up what a report needs, batch by batch, in memory that does not grow with the examples.

What grows: a name for each speaker, and what sparse_counts and score_steps hold at most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from schemas import utterance
from trainer.measures import counting, ranks, score_steps, sparse_counts, speaker_counts
from trainer.predictions import header as header_lib
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
  """Counts of all examples that were added.

  Attributes:
    columns: What of a file of predictions it reads.
    pairs: How often each label was taken for each, as label * labels + answer.
    scores: What the curves of each label are made of; None where not all logits are kept.
  """

  def __init__(
    self,
    header: header_lib.Header,
    *,
    max_mistakes: int = 100,
    clip_s: float = 0.0,
    exact_numbers: int = score_steps.EXACT_NUMBERS,
  ) -> None:
    """Takes what the examples are of.

    Args:
      header: Of the predictions.
      max_mistakes: How many mistakes are kept.
      clip_s: How much of each clip the model hears; 0: all of it.
      exact_numbers: See score_steps.EXACT_NUMBERS.
    """
    self.header = header
    self.columns = [
      *parquet_reader.logit_columns(header),
      *(header_lib.ID, header_lib.SPEAKER, header_lib.START_S, header_lib.END_S),
    ]
    self._num_labels = len(header.labels)
    self._max_mistakes = max_mistakes
    self._clip_s = clip_s
    self._loss_sum = 0.0
    self._by_label = np.zeros([3, self._num_labels], np.int64)
    self._seconds = np.zeros(self._num_labels)
    self._is_timed = True
    self._top = np.zeros(len(ranks.TOP_KS), np.int64)
    self._mistakes: list[Mistake] = []
    self.pairs = sparse_counts.SparseCounts()
    self.voices = speaker_counts.SpeakerCounts(self._num_labels)
    self.scores: score_steps.Gatherer | None = None
    if header.is_dense:
      self.scores = score_steps.Gatherer(self._num_labels, exact_numbers=exact_numbers)

  def add(self, batch: parquet_reader.Batch) -> None:
    """Counts some clips."""
    truth, predicted, losses = batch.labels, batch.answers, batch.losses
    right = predicted == truth
    self._loss_sum += float(losses.sum())
    self._by_label += np.stack(
      [np.bincount(some, minlength=self._num_labels) for some in (truth[right], truth, predicted)]
    )
    self.pairs.add(truth * self._num_labels + predicted)
    names, places = batch.told_apart(header_lib.SPEAKER)
    self.voices.add(names, places, truth, predicted)
    if self.scores is not None:
      self.scores.add(truth, batch.logits, batch.log_sum_exps)
      found = ranks.of_labels(truth, batch.logits)
    else:
      found = ranks.of_top(truth, batch.top(max(ranks.TOP_KS))[0])
    self._top += [int((found < k).sum()) for k in ranks.TOP_KS]
    self._add_seconds(batch, truth)
    self._keep_mistakes(batch, np.flatnonzero(~right), names, places)

  @property
  def num_examples(self) -> int:
    """How many were added."""
    return int(self._by_label[1].sum())

  @property
  def counts(self) -> counting.Counts:
    """Of all examples so far, of which there must be some; without the confusion: see `pairs`."""
    assert self.num_examples
    return counting.Counts(loss_sum=self._loss_sum, by_label=self._by_label, confusion=None)

  @property
  def top_k(self) -> dict[int, float | None]:
    """Shares of examples whose label is among the k highest, by k; None where all labels are."""
    return {
      k: int(count) / self.num_examples if k < self._num_labels else None
      for k, count in zip(ranks.TOP_KS, self._top, strict=True)
    }

  @property
  def seconds(self) -> NDArray[np.float64] | None:
    """How long the clips of each label are, all together; None where some have no length."""
    return self._seconds if self._is_timed else None

  @property
  def mistakes(self) -> list[Mistake]:
    """The mistakes of the highest loss, the worst first."""
    return list(self._mistakes)

  @property
  def speakers(self) -> Mapping[str, SpeakerCount]:
    """Counts by speaker, in the order of their names; recordings of noise are none."""
    return {name: one for name, one in self._groups.items() if not utterance.is_noise(name)}

  @property
  def noises(self) -> Mapping[str, SpeakerCount]:
    """Likewise by recording of noise."""
    return {name: one for name, one in self._groups.items() if utterance.is_noise(name)}

  @property
  def _groups(self) -> Mapping[str, SpeakerCount]:
    counts = zip(self.voices.names, self.voices.examples, self.voices.right, strict=True)
    return {
      name: SpeakerCount(num_examples=int(examples), num_correct=int(right))
      for name, examples, right in sorted(counts)
    }

  def _add_seconds(self, batch: parquet_reader.Batch, truth: NDArray[np.int64]) -> None:
    starts, ends = (batch.numbers(name) for name in (header_lib.START_S, header_lib.END_S))
    seconds = (ends - starts).astype(np.float64)
    if self._clip_s:
      # Of a longer recording the model hears so much; a clip of which nobody says has this length.
      seconds = np.where(seconds > 0, np.minimum(seconds, self._clip_s), self._clip_s)
    self._is_timed &= bool((seconds > 0).all())
    self._seconds += np.bincount(truth, weights=seconds, minlength=self._num_labels)

  def _keep_mistakes(
    self,
    batch: parquet_reader.Batch,
    wrong: NDArray[np.int64],
    names: list[str],
    places: NDArray[np.int64],
  ) -> None:
    losses, most = batch.losses, self._max_mistakes
    if len(wrong) > most:
      # With all that are as bad as the last that is kept: their ids decide.
      least = np.partition(losses[wrong], -most)[-most]
      wrong = wrong[losses[wrong] >= least]
    if len(self._mistakes) == most and most:
      wrong = wrong[losses[wrong] >= self._mistakes[-1].loss]
    ids, confidences = batch.texts(header_lib.ID, wrong), batch.confidences
    truth, predicted = batch.labels, batch.answers
    new = [
      Mistake(
        utterance_id=utterance_id,
        speaker_id=names[places[i]],
        truth=int(truth[i]),
        predicted=int(predicted[i]),
        probability=float(confidences[i]),
        loss=float(losses[i]),
      )
      for utterance_id, i in zip(ids, wrong, strict=True)
    ]
    kept = sorted([*self._mistakes, *new], key=lambda one: (-one.loss, one.utterance_id))
    self._mistakes = kept[:most]
