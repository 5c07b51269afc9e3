"""What of a sound is heard: all of it, or windows of a longer recording."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from exports import clip_input, export_file, windows
from features.decoding import byte_ranges, clips, cutting, deadline
from pages import words

_HOPS = 4  # In a window.
_BATCH = 64
# A recording that is longer by no more is heard as a clip: codecs add some samples.
_SLACK_S = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class HeardPart:
  """A part of a recording.

  Attributes:
    samples: As the model takes them, float32 [num_samples].
    start_s: Where in the recording it begins.
    end_s: Where it ends.
    whole_s: How long the recording is.
    is_window: Whether it is one of several.
  """

  samples: NDArray[np.float32]
  start_s: float
  end_s: float
  whole_s: float
  is_window: bool


def longest_s(export: export_file.Export) -> float:
  """Returns the longest sound that a model hears at once, in seconds."""
  audio = export.audio
  assert audio
  longest = audio.clip_s or audio.max_clip_s
  return (
    min(longest, export.most_samples / audio.sample_rate_hz) if export.most_samples else longest
  )


def of_recording(
  data: byte_ranges.Bytes,
  export: export_file.Export,
  *,
  max_s: float,
  max_decode_s: float = deadline.DEFAULT_S,
) -> Iterator[list[HeardPart]]:
  """Yields what a model hears of a recording, some parts at a time.

  Args:
    data: The file.
    export: Of the model.
    max_s: Longer recordings are refused, in seconds.
    max_decode_s: Processor time for a part, in seconds.

  Raises:
    ClipError: if it cannot be decoded, or is too long.
  """
  length_s = clips.length_s(data, max_decode_s=max_decode_s)
  if length_s > max_s:
    raise clips.ClipError(
      'too_long', f'Wanted at most {words.duration(max_s)}, got {words.duration(length_s)}.'
    )
  clip_s = longest_s(export)
  if length_s <= clip_s + _SLACK_S:
    spec = clip_input.spec(export)
    clip = clip_input.taken(clips.decode(data, spec, max_decode_s=max_decode_s), export)
    end_s = clip.start_s + len(clip.samples) / spec.sample_rate_hz
    yield [
      HeardPart(
        samples=clip.samples, start_s=clip.start_s, end_s=end_s, whole_s=length_s, is_window=False
      )
    ]
    return
  found = windows.of_recording(
    data,
    clip_input.spec(export),
    windows.Windows(window_s=clip_s, hop_s=clip_s / _HOPS),
    max_decode_s=max_decode_s,
  )
  while batch := [_of(window, export, length_s) for window in itertools.islice(found, _BATCH)]:
    yield batch


def _of(window: windows.Window, export: export_file.Export, length_s: float) -> HeardPart:
  assert export.audio
  clip = window.clip
  return HeardPart(
    samples=cutting.unpadded(clip.samples, clip.num_samples, export.audio.position),
    start_s=window.start_s,
    end_s=window.end_s,
    whole_s=length_s,
    is_window=True,
  )
