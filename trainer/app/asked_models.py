"""Models that are asked about one sound or picture at a time, and what they say of it.

A model hears clips of one length. Of a longer recording it hears windows of that length, a quarter
of one apart; what is shown is the loudest of them, in which most likely somebody speaks, and what
it says of the others is listed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

import features
from exports import answer_rows, clip_input, exported
from features.decoding import byte_ranges, clips, levels, pictures
from schemas import errors, utterance
from trainer.decoders import heard_parts

NUM_TOP = 5


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
  """What a model says.

  Attributes:
    model: Its name.
    top: The likeliest labels with their probabilities, the highest first; () if not asked.
    is_none: Whether it answers that it is none of these; None where that is not asked.
    samples: What it heard, float32 [num_samples] at `rate_hz`; empty for pictures.
    rate_hz: Samples per second.
    pixels: What it saw, uint8 [height, width, channels]; None for sounds.
    start_s: Where in the recording that began.
    end_s: Where it ended.
    whole_s: How long the recording is.
    others: Of a longer recording (start in s, end in s, label): what was heard where.
    note: What is to be said of the answer, or why there is none.
  """

  model: str
  top: Sequence[tuple[str, float]] = ()
  is_none: bool | None = None
  samples: NDArray[np.float32] = dataclasses.field(default_factory=lambda: np.zeros(0, np.float32))
  rate_hz: int = 0
  pixels: NDArray[np.uint8] | None = None
  start_s: float = 0.0
  end_s: float = 0.0
  whole_s: float = 0.0
  others: Sequence[tuple[float, float, str]] = ()
  note: str = ''


class AskedModel:
  """A model and what it is called."""

  def __init__(self, name: str, opened: exported.Exported, *, max_s: float) -> None:
    """Takes a model.

    Args:
      name: For people.
      opened: The model.
      max_s: Longer recordings are refused, in seconds.
    """
    self.name = name
    self.export = opened.export
    self._opened = opened
    self._max_s = max_s

  def hear(self, data: byte_ranges.Bytes) -> Answer:
    """Returns what the model says of a recording.

    Raises:
      ClipError: if it cannot be decoded, or is too long.
    """
    return self.hear_parts(heard_parts.of_recording(data, self.export, max_s=self._max_s))

  def hear_parts(self, found: Iterator[list[heard_parts.HeardPart]]) -> Answer:
    """Returns what the model says of a recording, of which `found` yields what it hears."""
    loudest: Answer | None = None
    level, rows = -np.inf, []
    for batch in found:
      said = self._opened.of_clips([part.samples for part in batch])
      for i, part in enumerate(batch):
        here = levels.level_dbfs(part.samples)
        is_heard = here >= levels.UNHEARD_DBFS
        rows.append(
          answer_rows.Row(
            name='',
            probabilities=said.probabilities[i],
            is_none=bool(said.is_none[i]) or not is_heard,
            start_s=part.start_s,
            end_s=part.end_s,
          )
        )
        if loudest is None or here > level:
          level = here
          loudest = self._answer(
            said, i, samples=part.samples, rate_hz=_rate_hz(self), start_s=part.start_s,
            end_s=part.end_s, whole_s=part.whole_s,
          )  # fmt: skip
        if not part.is_window:
          return loudest
    assert loudest is not None
    columns = answer_rows.Columns(labels=self.export.labels, has_none=True, has_windows=True)
    lines = (line.split('\t') for line in answer_rows.audacity_lines(rows, columns))
    others = [(float(start), float(end), label) for start, end, label in lines]
    return dataclasses.replace(loudest, others=others)

  def hear_part(self, data: byte_ranges.Bytes, part: utterance.Excerpt | None) -> Answer:
    """Returns what the model says of a part of a recording, as the data job cuts it.

    Raises:
      ClipError: if it cannot be decoded.
    """
    clip = clip_input.decode(data, self.export, part)
    return self._said(clip, whole_s=clip.source_s)

  def hear_samples(self, samples: NDArray[np.float32]) -> Answer:
    """Returns what the model says of a clip at its own rate, float32 [num_samples]."""
    assert self.export.audio
    length_s = len(samples) / self.export.audio.sample_rate_hz
    return self._said(clips.Clip(samples, len(samples), length_s), whole_s=length_s)

  def see(self, data: bytes) -> Answer:
    """Returns what the model says of a picture file.

    Raises:
      ClipError: if it cannot be decoded.
    """
    clip = pictures.decode(data, features.settings_of(self.export.feature))
    return self.see_pixels(clip.samples.astype(np.uint8))

  def see_pixels(self, pixels: NDArray[np.uint8]) -> Answer:
    """Returns what the model says of a picture of its own size, uint8 [height, width, channels]."""
    said = self._opened.of_pictures(pixels[np.newaxis])
    return self._answer(said, 0, pixels=pixels)

  def _said(self, clip: clips.Clip, *, whole_s: float) -> Answer:
    """Returns the answer to a clip without padding."""
    rate_hz = _rate_hz(self)
    start_s = clip.start_s
    return self._answer(
      self._opened.of_clips([clip.samples]),
      0,
      samples=clip.samples,
      rate_hz=rate_hz,
      start_s=start_s,
      end_s=start_s + len(clip.samples) / rate_hz,
      whole_s=whole_s,
    )

  def _answer(self, said: exported.Answers, row: int, **heard: object) -> Answer:
    found = answer_rows.Row(name='', probabilities=said.probabilities[row])
    columns = answer_rows.Columns(labels=self.export.labels, top=NUM_TOP)
    is_none = bool(said.is_none[row]) if self.export.none_score else None
    return Answer(model=self.name, top=columns.best(found), is_none=is_none, **heard)  # type: ignore[arg-type]


def check(models: Sequence[AskedModel], *, keep: str) -> None:
  """Raises ConfigError if models do not take the same kind of files, or what is not to be kept.

  Args:
    models: One or two.
    keep: The folder in which sounds are kept; '' for none.
  """
  media = [model.export.medium for model in models]
  if len(set(media)) > 1:
    raise errors.ConfigError(
      f'{models[0].name!r} takes {media[0]}, and {models[1].name!r} takes {media[1]}: they cannot '
      'be asked about the same file. Name two of a kind.'
    )
  if keep and models[0].export.audio is None:
    raise errors.ConfigError(
      f'--keep={keep}: sounds are kept, and {models[0].name!r} takes pictures. Leave --keep away.'
    )


def _rate_hz(model: AskedModel) -> int:
  assert model.export.audio
  return model.export.audio.sample_rate_hz
