"""A clip as it was recorded, and what is measured of it."""

import dataclasses
import io
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from features.decoding import byte_ranges, clips, levels, wav
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
    full_scale: From this amplitude on a sample is at full scale.
    channel: Which channel is heard, as AudioSpec says it.
  """

  frames: NDArray[np.float32]
  sample_rate_hz: int
  seconds: float
  coding: str
  full_scale: float = levels.Coding.full_scale
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
  data = byte_ranges.ByteRanges(stream)
  if not len(data):
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  header = wav.read_header(data)  # Refuses what was cut off, of which libsndfile says nothing.
  stream.seek(0)
  if header and header.is_streamed:
    stream = io.BytesIO(wav.with_size(stream.read(), header))
  # Here, not above: libsndfile is loaded when the first file is opened.
  import soundfile

  try:
    with soundfile.SoundFile(stream) as file:
      return _read(file, excerpt, spec)
  except soundfile.LibsndfileError as error:
    said = str(error.error_string).removeprefix('Error : ').rstrip('.')
    refused = ClipError(
      'not_audio', f'Wanted a format that libsndfile knows, got {len(data)} bytes: {said}.'
    )
  return _by_ffmpeg(data, excerpt, refused, spec)


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
  num_clipped = levels.num_clipped(sound.frames, sound.full_scale)
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


def _read(file: Any, excerpt: utterance.Excerpt | None, spec: audio.AudioSpec) -> Sound:
  rate_hz = file.samplerate
  begin, end = 0, file.frames
  if excerpt:
    clips.check_excerpt(excerpt, file.frames / rate_hz)
    begin, end = (round(at_s * rate_hz) for at_s in excerpt.bounds_s(file.frames / rate_hz))
    if begin >= end:
      raise ClipError('bad_excerpt', f'Wanted a part of {file.frames / rate_hz:.3f} s, got none.')
    file.seek(begin)
  wanted = min(end - begin, round(MAX_MEASURED_S * rate_hz))
  frames = file.read(wanted, dtype='float32', always_2d=True)
  if not len(frames):
    raise ClipError('no_samples', 'Wanted samples, got a header with none behind it.')
  coding = levels.Coding.of(file.subtype)
  frames = _scaled(frames, coding, spec, begin=begin, rate_hz=rate_hz)
  if excerpt and excerpt.gain_db:
    frames *= np.float32(10 ** (excerpt.gain_db / 20))
  # A stream's header may leave the number of frames open.
  num_frames = end - begin if end - begin < 1 << 48 else len(frames)
  return Sound(
    frames=frames,
    sample_rate_hz=rate_hz,
    seconds=num_frames / rate_hz,
    coding=_coding(file.format, file.subtype),
    full_scale=coding.full_scale,
    channel=spec.channel,
  )


def _by_ffmpeg(
  data: byte_ranges.ByteRanges,
  excerpt: utterance.Excerpt | None,
  refused: ClipError,
  spec: audio.AudioSpec,
) -> Sound:
  # Here, not above: likewise.
  from features.decoding import deadline, ffmpeg

  source = ffmpeg.open_instead(data, deadline.Deadline(deadline.DEFAULT_S), refused)
  try:
    rate_hz, num_frames = source.sample_rate_hz, source.count()
    begin, end = 0, num_frames
    if excerpt:
      clips.check_excerpt(excerpt, num_frames / rate_hz)
      begin, end = (round(at_s * rate_hz) for at_s in excerpt.bounds_s(num_frames / rate_hz))
    if begin >= end:
      reason = 'bad_excerpt' if excerpt else 'no_samples'
      raise ClipError(reason, f'Wanted a part of {num_frames / rate_hz:.3f} s, got none.')
    frames = source.frames(begin, min(end, begin + round(MAX_MEASURED_S * rate_hz)))
  finally:
    source.close()
  frames = _scaled(frames, source.sample_coding, spec, begin=begin, rate_hz=rate_hz)
  if excerpt and excerpt.gain_db:
    frames *= np.float32(10 ** (excerpt.gain_db / 20))
  return Sound(
    frames=frames,
    sample_rate_hz=rate_hz,
    seconds=(end - begin) / rate_hz,
    coding=source.coding,
    channel=spec.channel,
  )


def _scaled(
  frames: NDArray[np.float32],
  coding: levels.Coding,
  spec: audio.AudioSpec,
  *,
  begin: int,
  rate_hz: int,
) -> NDArray[np.float32]:
  """Returns frames in [-1, 1]; refuses what the job refuses."""
  listener = levels.Listener(spec.channel, spec.full_scale)
  listener.hear(frames, coding, begin=begin, sample_rate_hz=rate_hz)
  return frames / np.float32(spec.full_scale) if coding.is_float else frames


def _coding(container: str, subtype: str) -> str:
  names = {
    'PCM_U8': '8 bit PCM', 'PCM_S8': '8 bit PCM', 'PCM_16': '16 bit PCM', 'PCM_24': '24 bit PCM',
    'PCM_32': '32 bit PCM', 'FLOAT': '32 bit float', 'DOUBLE': '64 bit float', 'ULAW': 'µ-law',
    'ALAW': 'A-law', 'VORBIS': 'Vorbis', 'OPUS': 'Opus', 'MPEG_LAYER_III': '',
  }  # fmt: skip
  name = names.get(subtype, subtype.replace('_', ' '))
  return f'{container}, {name}' if name else container
