"""What a decoder returns: the beginning of a recording, as it was recorded."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from features.clip_error import ClipError
from schemas import audio

MIN_SAMPLE_RATE_HZ = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recording:
  """The beginning of a recording.

  Attributes:
    frames: Samples, float32 [num_frames, channels].
    sample_rate_hz: Samples per second.
    total_frames: Frames of the whole recording.
  """

  frames: NDArray[np.float32]
  sample_rate_hz: int
  total_frames: int

  @property
  def total_s(self) -> float:
    """Duration of the whole recording, in seconds."""
    return self.total_frames / self.sample_rate_hz


def check_rate(sample_rate_hz: int) -> None:
  """Raises ClipError (`bad_rate`) for a rate at which nobody records."""
  if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= audio.MAX_SAMPLE_RATE_HZ:
    raise ClipError(
      'bad_rate',
      f'Wanted {MIN_SAMPLE_RATE_HZ} to {audio.MAX_SAMPLE_RATE_HZ} Hz, got {sample_rate_hz} Hz.',
    )
