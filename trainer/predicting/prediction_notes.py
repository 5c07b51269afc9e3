"""What is said of a prediction beside its answers: what was not heard, and how much is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exports import answer_rows
from schemas import audio as audio_schema
from schemas import errors
from trainer.judging import prediction

# So many of the files that are cut are named.
_MOST_NAMES = 5


class Notes:
  """Counts while answers pass by.

  Attributes:
    num_bad: Files that cannot be used, or not to their end.
  """

  def __init__(self, labels: Sequence[str], *, counts_right: bool) -> None:
    """Takes the labels that the model knows, and whether it is asked how many answers are right."""
    self._labels = frozenset(labels)
    self._counts_right = counts_right
    self.num_bad = 0
    self._num_cut = 0
    self._cut: list[str] = []  # Of the first, what is said.
    self._num_labelled = self._num_right = 0
    self._num_foreign = self._num_rejected = 0
    self._can_reject = False

  def add(self, found: prediction.Prediction, row: answer_rows.Row, answer: str) -> None:
    """Counts an answer.

    Args:
      found: What the model said.
      row: What is written of it.
      answer: The label that is answered; '' where there is none.
    """
    self.num_bad += bool(found.error)
    self._num_cut += bool(found.whole_s)
    if found.whole_s and len(self._cut) < _MOST_NAMES:
      self._cut.append(f'{found.name}: {found.whole_s:.3g} s')
    if not self._counts_right or row.label is None or row.error:
      return
    self._can_reject |= row.is_none is not None
    if row.label in self._labels:
      self._num_labelled += 1
      self._num_right += answer == row.label
    else:
      self._num_foreign += 1
      self._num_rejected += bool(row.is_none)

  def sentences(
    self, audio: audio_schema.AudioSpec | None, *, num_files: int, noun: str
  ) -> Iterator[str]:
    """Yields what is to be said at the end.

    Args:
      audio: What the model hears of a clip.
      num_files: How many were named.
      noun: What was answered: `file`, `window` or `clip`.
    """
    if self._num_cut and audio:
      named = errors.some(self._cut, len(self._cut), of=self._num_cut)
      yield (
        f'The model heard only {audio.clip_s:g} s, the {audio.position}, of {self._num_cut:,} of '
        f'{errors.counted(num_files, "file")}, as it was trained ({named}). To have all of it '
        f'heard, window by window, write --window_s={audio.clip_s:g}; or train on clips as long '
        'as they are (--clip_seconds=0 in the data job).'
      )
    if self._num_labelled:
      yield (
        f'accuracy {errors.share(self._num_right / self._num_labelled)}: {self._num_right:,} of '
        f'{errors.counted(self._num_labelled, noun)} whose label is known'
      )
    if self._num_foreign:
      rejected = f', of which {self._num_rejected:,} are none of these' * self._can_reject
      yield f'{errors.counted(self._num_foreign, noun)} of labels that the model lacks{rejected}'
