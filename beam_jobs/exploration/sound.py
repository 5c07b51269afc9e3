"""A clip as it was recorded, and what is measured of it."""

import dataclasses
import math
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from beam_jobs.shards import reading
from features.decoding import byte_ranges, clips, deadline, levels, opening, recording
from schemas import audio, utterance
from schemas.rejects import ClipError

# Of a longer clip the beginning is measured: a clip is held in memory.
MAX_MEASURED_S = 60.0
# Level of digital silence, whose logarithm there is not.
FLOOR_DBFS = -120.0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
  """Samples at their own rate.

  Attributes:
    frames: float32 [num_frames, channels], the first MAX_MEASURED_S at most.
    sample_rate_hz: Samples per second.
    seconds: Length of the whole clip.
    coding: Such as `WAV, 16 bit PCM`.
    sample_coding: What its samples can be.
    channel: Which channel is heard, as AudioSpec says it.
  """

  frames: NDArray[np.float32]
  sample_rate_hz: int
  seconds: float
  coding: str
  sample_coding: levels.Coding = levels.Coding()
  channel: str = audio.MIX

  @property
  def mono(self) -> NDArray[np.float32]:
    """The channel that is heard, float32 [num_frames]."""
    return levels.picked(self.frames, self.channel)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measures:
  """What is measured of one clip.

  Attributes:
    seconds: Its length.
    sample_rate_hz: Samples per second.
    channels: How many.
    coding: Format and coding of the file.
    rms_dbfs: Root mean square relative to full scale, in dB: a sine at full scale has -3.
    peak_dbfs: Largest amplitude relative to full scale, in dB.
    clipped_share: Share of the samples whose tops are cut off at full scale, in [0, 1].
  """

  seconds: float
  sample_rate_hz: int
  channels: int
  coding: str
  rms_dbfs: float
  peak_dbfs: float
  clipped_share: float


def decode(
  stream: BinaryIO,
  excerpt: utterance.Excerpt | None = None,
  spec: audio.AudioSpec = audio.AudioSpec(),  # noqa: B008 - Frozen.
) -> Sound:
  """Returns the clip in a seekable file, at its own rate and with its channels.

  Of a long file only the clip is read. `spec` says which channel is heard, and what full scale is.

  Raises:
    ClipError: where there is none.
  """
  data: byte_ranges.Bytes = byte_ranges.ByteRanges(stream)
  if not len(data):
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  if excerpt is None and len(data) <= reading.WHOLE_BYTES:
    data = data[:]  # As the job does: more is checked of what is in memory.
  source = opening.open_recording(data, deadline.Deadline(deadline.DEFAULT_S))
  try:
    return _read(source, excerpt, spec)
  finally:
    source.close()


def of_samples(samples: NDArray[np.float32], sample_rate_hz: int, *, coding: str) -> Sound:
  """Returns mono samples [num_samples] as a Sound."""
  return Sound(
    frames=samples[: round(MAX_MEASURED_S * sample_rate_hz), np.newaxis],
    sample_rate_hz=sample_rate_hz,
    seconds=len(samples) / sample_rate_hz,
    coding=coding,
  )


def measure(sound: Sound) -> Measures:
  """Returns the measures of a clip that has samples."""
  num_clipped = levels.num_clipped(sound.frames, sound.sample_coding)
  return Measures(
    seconds=sound.seconds,
    sample_rate_hz=sound.sample_rate_hz,
    channels=sound.frames.shape[1],
    coding=sound.coding,
    rms_dbfs=decibels(math.sqrt(float(np.mean(np.square(sound.frames, dtype=np.float64))))),
    peak_dbfs=decibels(float(np.abs(sound.frames).max())),
    clipped_share=num_clipped / sound.frames.size,
  )


def decibels(amplitude: float) -> float:
  """Returns an amplitude relative to 1 in dB, FLOOR_DBFS at least."""
  return max(FLOOR_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else FLOOR_DBFS


class _Tape(levels.Listener):
  """Keeps what it hears, with all channels, and refuses what the job refuses."""

  def __init__(self, spec: audio.AudioSpec) -> None:
    super().__init__(spec.channel, spec.full_scale)
    self._full_scale = np.float32(spec.full_scale)
    self._blocks: list[NDArray[np.float32]] = []

  def hear(
    self,
    frames: NDArray[np.float32],
    coding: levels.Coding,
    *,
    begin: int,
    sample_rate_hz: int,
  ) -> NDArray[np.float32]:
    """Returns what is heard of frames, as Listener does."""
    kept = frames / self._full_scale if coding.is_float else frames.copy()
    # A damaged file may change the number of its channels.
    if self._blocks and kept.shape[1] != self._blocks[0].shape[1]:
      kept = np.repeat(levels.mean(kept)[:, np.newaxis], self._blocks[0].shape[1], axis=1)
    self._blocks.append(kept)
    return super().hear(frames, coding, begin=begin, sample_rate_hz=sample_rate_hz)

  def frames(self) -> NDArray[np.float32]:
    """Returns all of it, float32 [num_frames, channels]."""
    return np.concatenate(self._blocks) if self._blocks else np.empty((0, 1), np.float32)


def _read(
  source: recording.Recording, excerpt: utterance.Excerpt | None, spec: audio.AudioSpec
) -> Sound:
  """Reads by the reader of the job, so that what is damaged gets the reason that it gets there."""
  rate_hz, num_frames = source.sample_rate_hz, source.count()
  begin, end = 0, num_frames
  if not num_frames:
    raise ClipError('no_samples', 'Wanted samples, got a header with none behind it.')
  if excerpt:
    clips.check_excerpt(excerpt, num_frames / rate_hz)
    begin, end = (round(at_s * rate_hz) for at_s in excerpt.bounds_s(num_frames / rate_hz))
    if begin >= end:
      raise ClipError('bad_excerpt', f'Wanted a part of {num_frames / rate_hz:.3f} s, got none.')
  tape = _Tape(spec)
  source.listener = tape
  source.read(begin, min(end, begin + round(MAX_MEASURED_S * rate_hz)))
  frames = tape.frames()
  if not len(frames):
    raise ClipError('no_samples', 'Wanted samples, got a header with none behind it.')
  if excerpt and excerpt.gain_db:
    frames *= np.float32(10 ** (excerpt.gain_db / 20))
  return Sound(
    frames=frames,
    sample_rate_hz=rate_hz,
    seconds=(end - begin) / rate_hz,
    coding=_coding(*source.coding.split(', ', 1)),
    sample_coding=source.sample_coding,
    channel=spec.channel,
  )


def _coding(container: str, subtype: str) -> str:
  names = {
    'PCM_U8': '8 bit PCM', 'PCM_S8': '8 bit PCM', 'PCM_16': '16 bit PCM', 'PCM_24': '24 bit PCM',
    'PCM_32': '32 bit PCM', 'FLOAT': '32 bit float', 'DOUBLE': '64 bit float', 'ULAW': 'µ-law',
    'ALAW': 'A-law', 'VORBIS': 'Vorbis', 'OPUS': 'Opus', 'MPEG_LAYER_III': '',
  }  # fmt: skip
  name = names.get(subtype, subtype.replace('_', ' '))
  return f'{container}, {name}' if name else container
