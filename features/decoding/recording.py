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

# Of a part that is held, all channels together: 512 MiB.
_MAX_HELD_VALUES = 1 << 27


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


class Forward(Recording):
  """A recording of which parts are read, in the order of their starts, and decoded once.

  Held are the frames of the part that was read last, all channels of them.
  """

  def __init__(self, source: Recording) -> None:
    """Takes a recording, which whoever opened it closes.

    Raises:
      ClipError: where it has to be counted and cannot be decoded.
    """
    self._source = source
    self._caught = _Caught()
    source.listener = self._caught
    self.sample_rate_hz = source.sample_rate_hz
    self.sample_coding = source.sample_coding
    self.coding = source.coding
    self.num_frames: int = source.count()
    self._held: NDArray[np.float32] | None = None  # [frames, channels].
    self._begin = self._end = 0  # Of what is held.
    self._is_at_end = False

  def read(self, begin: int, end: int) -> NDArray[np.float32]:
    """Returns what is heard, float32 [end - begin]; see Recording.

    Raises:
      ClipError: `too_long` where a part has so many channels that memory would not hold it.
    """
    assert begin >= self._begin, 'parts come in the order of their starts'
    if self._held is None or begin > self._end:
      self._held, self._begin, self._end = None, begin, begin
    last = min(end, self.num_frames)
    if last > self._end and not self._is_at_end:
      # What a header counts may be some frames more than there are.
      self._is_at_end = len(self._source.read(self._end, last)) < last - self._end
      kept = [] if self._held is None else [self._held[begin - self._begin :]]
      self._held = self._caught.joined(kept)
    elif self._held is not None:
      self._held = self._held[begin - self._begin :]
    if self._held is None:
      return np.empty(0, np.float32)
    self._begin, self._end = begin, begin + len(self._held)
    part = self._held[: max(0, last - begin)]
    return self.heard(part, begin)

  def count(self, max_frames: int | None = None) -> int:
    """Returns num_frames."""
    del max_frames
    return self.num_frames

  def close(self) -> None:
    """Leaves the recording open."""


class _Caught(levels.Listener):
  """Takes what a decoder reads, all channels, for who listens later."""

  def __init__(self) -> None:
    super().__init__()
    self._blocks: list[NDArray[np.float32]] = []
    self._num_values = 0

  def hear(
    self,
    frames: NDArray[np.float32],
    coding: levels.Coding,
    *,
    begin: int,
    sample_rate_hz: int,
  ) -> NDArray[np.float32]:
    """Keeps the frames; what it returns is of their length and means nothing."""
    del coding, begin
    self._blocks.append(frames)
    self._num_values += frames.size
    if self._num_values > _MAX_HELD_VALUES:
      raise ClipError(
        'too_long',
        f'Wanted parts of up to {_MAX_HELD_VALUES} samples, got {frames.shape[1]} channels at '
        f'{sample_rate_hz} Hz. Name shorter parts.',
      )
    return frames[:, 0]

  def joined(self, before: list[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """Returns, with what was before, what was caught since this was asked; None for nothing."""
    blocks, self._blocks, self._num_values = [*before, *self._blocks], [], 0
    return np.concatenate(blocks) if blocks else None


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
