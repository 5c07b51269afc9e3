"""What a decoder gives: any part of a recording, as one channel, at the rate of the recording."""

import abc

import numpy as np
from numpy.typing import NDArray

from features.decoding import levels
from schemas import audio
from schemas.rejects import ClipError

MIN_SAMPLE_RATE_HZ = 1_000

# With a gain, samples may go beyond 1. Beyond this the power of a frame could overflow float32
# and a feature would be infinite.
MAX_SAMPLE = 1e9


class Recording(abc.ABC):
  """An opened recording.

  Attributes:
    sample_rate_hz: Samples per second.
    num_frames: Frames of the whole recording; None where only decoding to the end can tell.
    sample_coding: What its samples can be.
    listener: Makes one channel of many, and measures; None mixes them.
    coding: Container and coding, for people: such as `WAV, PCM_16`, by libsndfile's names.
  """

  sample_rate_hz: int
  num_frames: int | None
  sample_coding: levels.Coding = levels.Coding()
  listener: levels.Listener | None = None
  coding: str = ''

  @abc.abstractmethod
  def read(self, begin: int, end: int) -> NDArray[np.float32]:
    """Returns what is heard, float32 [end - begin], of the frames from begin to end.

    Fewer where the recording ends before. The same range always gives the same bits.

    Raises:
      ClipError: where what the header promises cannot be decoded.
    """

  def heard(self, frames: NDArray[np.float32], begin: int) -> NDArray[np.float32]:
    """Returns the one channel that is made of frames [num_frames, channels], read from `begin` on.

    For decoders: all that they read to be heard goes through here.

    Raises:
      ClipError: where samples are no sound, or there is no such channel.
    """
    if self.listener is None or not len(frames):
      return levels.mean(frames)
    return self.listener.hear(
      frames, self.sample_coding, begin=begin, sample_rate_hz=self.sample_rate_hz
    )

  @abc.abstractmethod
  def count(self, max_frames: int | None = None) -> int:
    """Returns the number of frames, if need be by decoding all; num_frames is then known.

    Args:
      max_frames: Decodes no further than needed to see that there are more than so many, and
        then returns some number above.

    Raises:
      ClipError: where it cannot be decoded.
    """

  @abc.abstractmethod
  def close(self) -> None:
    """Gives back what a decoder holds, and leaves the file open."""


def check_rate(sample_rate_hz: int) -> None:
  """Raises ClipError (`bad_rate`) for a rate at which nobody records."""
  if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= audio.MAX_SAMPLE_RATE_HZ:
    raise ClipError(
      'bad_rate',
      f'Wanted {MIN_SAMPLE_RATE_HZ} to {audio.MAX_SAMPLE_RATE_HZ} Hz, got {sample_rate_hz} Hz.',
    )


def check_finite(frames: NDArray[np.float32], begin: int, sample_rate_hz: int) -> None:
  """Raises ClipError (`not_finite`) where a sample is no number.

  Args:
    frames: float32 [num_frames, channels].
    begin: Number of the first, for the error.
    sample_rate_hz: Samples per second.
  """
  is_good = np.isfinite(frames)
  if not is_good.all():
    frame, channel = np.argwhere(~is_good)[0]
    raise ClipError(
      'not_finite',
      f'Wanted samples in [-1, 1], got {frames[frame, channel]:g} '
      f'after {(begin + frame) / sample_rate_hz:.6g} s.',
    )


def truncated(promised_frames: int, held_frames: int) -> ClipError:
  """Returns the error of a file that holds less than its header says."""
  return ClipError(
    'truncated', f'Wanted {promised_frames} frames, as the header says, got {held_frames}.'
  )
