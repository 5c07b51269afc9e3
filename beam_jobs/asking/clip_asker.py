"""Asks a model about clips in batches, and gives each entry of the corpus its answers in order."""

import collections
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beam_jobs.asking import ask_config
from exports import clip_input, exported
from schemas import rejects
from schemas.utterance import Utterance

# Of clips that have lengths of their own, a batch is as if each were so long, at most.
_TYPICAL_CLIP_S = 4


@dataclasses.dataclass(kw_only=True, eq=False, slots=True)
class Asked:
  """An entry of the corpus, and what the model says of it.

  Attributes:
    utterance: The entry.
    spans_s: Where each of its clips begins and ends; (None, None) for a whole file.
    answers: Of each clip that the model has heard its probabilities [labels], whether it is none
      of them, and which is the highest.
    reject: Why there is no answer.
    noted: What is to be said of its clips: keys of schemas.rejects.NOTED.
    audio_s: Seconds that were heard.
    is_cut: Whether the model heard a part only.
  """

  utterance: Utterance
  spans_s: list[tuple[float | None, float | None]] = dataclasses.field(default_factory=list)
  answers: list[tuple[NDArray[np.float32], bool, int]] = dataclasses.field(default_factory=list)
  reject: rejects.Reject | None = None
  noted: set[str] = dataclasses.field(default_factory=set)
  audio_s: float = 0.0
  is_cut: bool = False

  @property
  def is_done(self) -> bool:
    """Whether the model has heard all of it."""
    return self.reject is not None or len(self.answers) == len(self.spans_s)


class Asker:
  """Takes clips one by one, asks the model about many."""

  def __init__(self, model: exported.Exported, config: ask_config.AskConfig) -> None:
    """Takes the model, and how many clips it is asked about at a time."""
    self._most_clips, self._most_samples = config.batch_clips, 0
    if config.audio is None:
      pixels: list[NDArray[np.uint8]] = []
      self._take: Callable[[NDArray[Any]], None] = pixels.append
      self._ask: Callable[[], exported.Answers] = lambda: model.of_pictures(_stacked(pixels))
    else:
      batch = clip_input.Batch(config.export, config.batch_clips)
      self._take = batch.add
      self._ask = lambda: model.of_batch(*batch.taken())
      if config.audio.is_variable:
        self._most_samples = config.batch_clips * _TYPICAL_CLIP_S * config.audio.sample_rate_hz
    self._waiting: list[Asked] = []  # Who has each of the clips that were taken.
    self._longest = 0

  def add(self, asked: Asked, values: NDArray[Any]) -> None:
    """Takes a clip or a picture of an entry, which gets its answer now or later."""
    longest = max(self._longest, len(values))
    # Clips of a batch are padded to the longest.
    if self._most_samples and longest * (1 + len(self._waiting)) > self._most_samples:
      self.flush()
      longest = len(values)
    self._longest = longest
    self._take(values)
    self._waiting.append(asked)
    if len(self._waiting) >= self._most_clips:
      self.flush()

  def flush(self) -> None:
    """Asks about all clips that wait."""
    if not self._waiting:
      return
    waiting, self._waiting, self._longest = self._waiting, [], 0
    found = self._ask()
    answers = zip(
      found.probabilities,
      found.is_none.tolist(),
      found.probabilities.argmax(axis=1).tolist(),
      strict=True,
    )
    for asked, answer in zip(waiting, answers, strict=True):
      asked.answers.append(answer)


def _stacked(pixels: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
  """Returns what a list holds as a batch, and empties it."""
  batch = np.stack(pixels)
  pixels.clear()
  return batch


def answered(entries: Iterator[Asked], asker: Asker) -> Iterator[Asked]:
  """Yields entries in their order as soon as the model has heard all of them."""
  held: collections.deque[Asked] = collections.deque()
  for entry in entries:
    held.append(entry)
    while held and held[0].is_done:
      yield held.popleft()
  asker.flush()
  yield from held
