"""What is heard of a recording: which channel, and how loud its samples are."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from schemas import audio
from schemas.rejects import ClipError

# From here on a sample is at full scale; what codings with less range can hold is less.
_FULL_SCALE = 0.9999
_FULL_SCALE_OF = {'PCM_U8': 0.99, 'PCM_S8': 0.99, 'ULAW': 0.98, 'ALAW': 0.984}
_FLOATS = ('FLOAT', 'DOUBLE')
# Full scale once or twice in a row is a peak that was normalised, three times a top cut off.
_RUN_SAMPLES = 3
# More samples than this share cut off can be heard.
AUDIBLE_CLIPPING = 0.001

# Codecs that lose something, and float recordings with room above full scale, go beyond it; what
# goes further than this, 20 dB, is no sound in [-1, 1] but something on another scale.
MAX_PEAK = 10.0
# Less than this above 1 is rounding.
_ROUNDING = 0.001
# Sums of squares differ by less between processors.
_SAME_POWER = 1e-4
# Every so many-th sample is looked at first.
_SILENCE_STRIDE = 64
# A mix that has less than this share of the mean power of its channels, -20 dB, has lost them. Two
# channels that have nothing in common keep a half.
_CANCELLED = 0.01

# The level of silence, and below which a clip is taken for one in which nothing is heard.
FLOOR_DBFS = -120.0
UNHEARD_DBFS = -60.0


@dataclasses.dataclass(frozen=True)
class Coding:
  """What the samples of a file can be.

  Attributes:
    full_scale: From this amplitude on a sample is at full scale.
    is_float: Whether samples can lie beyond it.
  """

  full_scale: float = _FULL_SCALE
  is_float: bool = False

  @classmethod
  def of(cls, subtype: str) -> 'Coding':
    """Returns that of a subtype of libsndfile."""
    return cls(_FULL_SCALE_OF.get(subtype, _FULL_SCALE), subtype in _FLOATS)


class Listener:
  """Makes one channel of many, and measures what it hears, of one recording."""

  def __init__(self, channel: str = audio.MIX, full_scale: float = 1.0) -> None:
    """Takes what an AudioSpec says of both."""
    self._channel = channel
    self._scale = np.float32(full_scale)
    self._forget()

  def _forget(self) -> None:
    self._peak = 0.0
    self._num_values = self._num_clipped = 0
    self._channel_powers: NDArray[np.float64] | None = None
    self._mix_power = 0.0

  def hear(
    self, frames: NDArray[np.float32], coding: Coding, *, begin: int, sample_rate_hz: int
  ) -> NDArray[np.float32]:
    """Returns what is heard of frames [num_frames, channels], at least one: [num_frames].

    Args:
      frames: A piece of the recording; of what is measured, pieces add up.
      coding: That of the file.
      begin: Number of the first frame, for what is said of a bad one.
      sample_rate_hz: Frames per second.

    Raises:
      ClipError: reason not_finite or not_in_one, or no_channel.
    """
    if coding.is_float and self._scale != 1:
      frames = frames / self._scale
    # Of NaN, both are NaN, which is not <= anything.
    peak = max(float(frames.max()), -float(frames.min()))
    if not peak <= MAX_PEAK:
      raise _no_sound(frames, begin, sample_rate_hz)
    self._peak = max(self._peak, peak)
    self._num_values += frames.size
    if peak >= coding.full_scale:
      self._num_clipped += num_clipped(frames, coding)
    if self._channel not in (audio.MIX, audio.LOUDEST):
      return picked(frames, self._channel)
    mix = mean(frames)
    if frames.shape[1] > 1:
      self._channel_powers = _sum(self._channel_powers, _powers(frames))
      self._mix_power += float(np.dot(mix, mix))
    return mix

  def decides(self) -> bool:
    """Whether it knows only now which channel is the loudest: it has to hear all once more."""
    if self._channel != audio.LOUDEST or self._channel_powers is None:
      return False
    self._channel = str(1 + _loudest(self._channel_powers))
    self._forget()
    return True

  def notes(self) -> tuple[str, ...]:
    """Returns what is to be said of what was heard: keys of schemas.rejects.NOTED."""
    found = []
    if self._peak > 1 + _ROUNDING:
      found.append('beyond_one')
    if self._num_clipped > AUDIBLE_CLIPPING * self._num_values:
      found.append('clipped')
    powers = self._channel_powers
    if powers is not None and self._mix_power < _CANCELLED * powers.mean():
      found.append('cancelled')
    return tuple(found)


def _powers(frames: NDArray[np.float32]) -> NDArray[np.float64]:
  """Returns the sum of squares of every channel; in float64 it would take ten times as long."""
  return np.array([float(np.dot(channel, channel)) for channel in frames.T])


def _loudest(powers: NDArray[np.float64]) -> int:
  """Returns the first of the loudest channels: what differs by rounding alone is as loud."""
  return int(np.flatnonzero(powers >= (1 - _SAME_POWER) * powers.max())[0])


def _sum(known: NDArray[np.float64] | None, more: NDArray[np.float64]) -> NDArray[np.float64]:
  """Returns the sum of the powers of channels, of which a damaged file may change the number."""
  if known is None:
    return more
  size = max(len(known), len(more))
  return np.pad(known, (0, size - len(known))) + np.pad(more, (0, size - len(more)))


def mean(frames: NDArray[np.float32]) -> NDArray[np.float32]:
  """Mean of the channels: [num_frames, channels] -> [num_frames]."""
  total = frames[:, 0]
  for channel in range(1, frames.shape[1]):
    total = total + frames[:, channel]
  return total / np.float32(frames.shape[1]) if frames.shape[1] > 1 else total


def picked(frames: NDArray[np.float32], channel: str) -> NDArray[np.float32]:
  """Returns the channel of frames [num_frames, channels] that an AudioSpec names: [num_frames].

  The one channel of a mono file is its mix, its loudest, its left and its right.

  Raises:
    ClipError: reason no_channel.
  """
  num_channels = frames.shape[1]
  if channel == audio.MIX:
    return mean(frames)
  if channel == audio.LOUDEST:
    return frames[:, _loudest(_powers(frames))]
  if channel in audio.SIDES and num_channels == 1:
    return frames[:, 0]
  number = audio.SIDES.get(channel) or int(channel)
  if number > num_channels:
    raise ClipError('no_channel', f'Wanted channel {number}, got a file with {num_channels}.')
  return frames[:, number - 1]


def num_clipped(frames: NDArray[np.float32], coding: Coding) -> int:
  """Returns how many samples of frames [num_frames, channels] belong to tops that are cut off.

  Of each run at full scale, those from which on there are _RUN_SAMPLES. What a file of
  floating-point samples has beyond full scale is all there: it is loud, and not cut off.
  """
  amplitudes = np.abs(frames)
  at_top = amplitudes >= coding.full_scale
  if coding.is_float:
    at_top &= amplitudes <= 1 + _ROUNDING
  runs = at_top[: len(at_top) - _RUN_SAMPLES + 1]
  for shift in range(1, _RUN_SAMPLES):
    runs = runs & at_top[shift : len(at_top) - _RUN_SAMPLES + 1 + shift]
  return int(np.count_nonzero(runs))


def is_silent(samples: NDArray[np.float32]) -> bool:
  """Whether all samples [samples] are the same: there is nothing to hear, whatever their value."""
  if samples[0] != samples[len(samples) // 2]:  # Of most clips these two tell.
    return False
  few = samples[::_SILENCE_STRIDE]  # And of nearly all others these.
  return bool(few.min() == few.max() and samples.min() == samples.max())


def level_dbfs(samples: NDArray[np.float32]) -> float:
  """Returns the mean level of samples, in dB relative to full scale; FLOOR_DBFS of silence."""
  rms = math.sqrt(float(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
  return max(FLOOR_DBFS, 20 * math.log10(rms)) if rms > 0 else FLOOR_DBFS


def _no_sound(frames: NDArray[np.float32], begin: int, sample_rate_hz: int) -> ClipError:
  """Returns the error of frames of which one is no number, or far beyond full scale."""
  is_good = np.abs(frames) <= MAX_PEAK
  frame, channel = np.argwhere(~is_good)[0]
  value = frames[frame, channel]
  return ClipError(
    'not_in_one' if np.isfinite(value) else 'not_finite',
    f'Wanted samples in [-1, 1], got {value:g} after {(begin + frame) / sample_rate_hz:.6g} s.',
  )
