"""Long recordings in windows: where each lies, and its clip, without holding the recording."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from features.decoding import byte_ranges, clips, deadline
from schemas import audio as audio_schema
from schemas import errors, utterance
from tfrecords import command_line

# Shorter steps are a million windows for a quarter of an hour.
_LEAST_S = 0.001
# What is shorter is the rounding of times.
_ROUNDING_S = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Windows:
  """How a recording is cut into windows.

  The first begins with the recording, and each further one `hop_s` later, for as long as it lies in
  the recording as a whole. Where something is left behind the last of them, one more ends with the
  recording: it is moved back, not padded, so that the model hears no silence that is not there. A
  recording shorter than a window is one window, which is padded like a clip of the training.

  Attributes:
    window_s: How long each is, in seconds.
    hop_s: From the start of one to that of the next, in seconds.
  """

  window_s: float
  hop_s: float

  def __post_init__(self) -> None:
    for name in ('window_s', 'hop_s'):
      value = getattr(self, name)
      if not (math.isfinite(value) and value >= _LEAST_S):
        finite = ' and finite' if value == math.inf else ''
        raise errors.ConfigError(
          f'--{name} must be at least {_LEAST_S:g} s{finite}, got {value:g}.'
        )
    if self.hop_s > self.window_s:
      raise errors.ConfigError(
        f'--hop_s={self.hop_s:g} is longer than --window_s={self.window_s:g}, so that what lies '
        'between two windows would not be heard. Write a hop of at most the window.'
      )

  def num_windows(self, recording_s: float) -> int:
    """Returns how many windows a recording of so many seconds has, at least one."""
    left_s = recording_s - self.window_s
    return 1 + max(0, math.ceil((left_s - _ROUNDING_S) / self.hop_s))

  def spans(self, recording_s: float) -> Iterator[tuple[float, float]]:
    """Yields where the windows of a recording of so many seconds begin and end, in seconds."""
    count = self.num_windows(recording_s)
    for i in range(count - 1):
      start_s = round(i * self.hop_s, 9)
      yield start_s, start_s + self.window_s
    yield max(0.0, recording_s - self.window_s), recording_s

  def excerpts(self, recording_s: float) -> Iterator[utterance.Excerpt]:
    """Yields the windows as parts that a decoder takes."""
    for start_s, _ in self.spans(recording_s):
      yield utterance.Excerpt(
        start_s=start_s, duration_s=self.window_s if recording_s > self.window_s else 0.0
      )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Window:
  """A window and what is heard in it.

  Attributes:
    start_s: Where it begins in the recording, in seconds.
    end_s: Where it ends.
    clip: As the model takes it.
  """

  start_s: float
  end_s: float
  clip: clips.Clip


def of_recording(
  data: byte_ranges.Bytes,
  audio: audio_schema.AudioSpec,
  windows: Windows,
  *,
  max_decode_s: float = deadline.DEFAULT_S,
) -> Iterator[Window]:
  """Yields the windows of a recording in their order; it is decoded once, and never held whole.

  Args:
    data: The file; of clips.opened_file and ByteRanges, what is needed is read.
    audio: What is made of each window, as of a clip.
    windows: Where they lie.
    max_decode_s: Processor time that a window may take, in seconds.

  Raises:
    ClipError: where the recording, or what comes next of it, cannot be decoded; none comes then.
  """
  for clip in clips.decode_parts(data, audio, windows.excerpts, max_decode_s=max_decode_s):
    yield Window(start_s=clip.start_s, end_s=clip.start_s + clip.source_s, clip=clip)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowFlags:
  """The flags of programs that hear long recordings: a base of their config classes."""

  window_s: float = command_line.flag(
    0.0,
    'Long recordings are heard in windows of so many seconds, and each has an answer of its own. '
    '0: of each recording one clip, as the training had them.',
  )
  hop_s: float = command_line.flag(
    0.0,
    'Seconds from the start of a window to that of the next; 0: as many as --window_s.',
    needs=('window_s',),
  )

  def check_windows(self) -> None:
    """Raises ConfigError for windows that there cannot be."""
    if self.window_s:
      self._windows()

  def _windows(self) -> Windows:
    return Windows(window_s=self.window_s, hop_s=self.hop_s or self.window_s)

  def windows_for(
    self, audio: audio_schema.AudioSpec | None, *, most_samples: int = 0
  ) -> Windows | None:
    """Returns the windows that are asked for; None where each recording is one clip.

    Args:
      audio: The clips that the model takes; None: pictures.
      most_samples: The most samples that it takes; 0: any.

    Raises:
      ConfigError: if the model cannot hear such windows.
    """
    if not self.window_s:
      return None
    if audio is None:
      raise errors.ConfigError(
        f'--window_s={self.window_s:g} is for recordings, and the model takes pictures. Leave it '
        'away.'
      )
    longest_s = audio.clip_s or audio.max_clip_s
    if most_samples:
      longest_s = min(longest_s, most_samples / audio.sample_rate_hz)
    if self.window_s > longest_s + _ROUNDING_S:
      raise errors.ConfigError(
        f'--window_s={self.window_s:g}: the model hears {"" if audio.clip_s else "up to "}'
        f'{longest_s:g} s, as it was trained. Write --window_s={longest_s:g} or less, and the '
        'whole recording is heard all the same.'
      )
    return self._windows()
