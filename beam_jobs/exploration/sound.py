"""A clip as it was recorded, and what is measured of it."""

import dataclasses
import io
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from features.decoding import byte_ranges, wav
from schemas import utterance
from schemas.rejects import ClipError

# Of a longer clip the beginning is measured: a clip is held in memory.
MAX_MEASURED_S = 60.0
# Level of digital silence, whose logarithm there is not.
FLOOR_DBFS = -120.0

# From here on a sample is at full scale; what codings with less range can hold is less.
_FULL_SCALE = 0.9999
_FULL_SCALE_OF = {'PCM_U8': 0.99, 'PCM_S8': 0.99, 'ULAW': 0.98, 'ALAW': 0.984}
# Full scale once or twice in a row is a peak that was normalised, three times a top cut off.
_RUN_SAMPLES = 3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
  """Samples at their own rate.

  Attributes:
    frames: float32 [num_frames, channels], the first MAX_MEASURED_S at most.
    sample_rate_hz: Samples per second.
    seconds: Length of the whole clip.
    coding: Such as `WAV, 16 bit PCM`.
    full_scale: From this amplitude on a sample is at full scale.
  """

  frames: NDArray[np.float32]
  sample_rate_hz: int
  seconds: float
  coding: str
  full_scale: float = _FULL_SCALE

  @property
  def mono(self) -> NDArray[np.float32]:
    """Mean of the channels, float32 [num_frames]."""
    if self.frames.shape[1] == 1:
      return self.frames[:, 0]
    return self.frames.mean(axis=1, dtype=np.float32)


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


def decode(stream: BinaryIO, excerpt: utterance.Excerpt | None = None) -> Sound:
  """Returns the clip in a seekable file, at its own rate and with its channels.

  Of a long file only the clip is read.

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
      return _read(file, excerpt)
  except soundfile.LibsndfileError as error:
    said = str(error.error_string).removeprefix('Error : ').rstrip('.')
    refused = ClipError(
      'not_audio', f'Wanted a format that libsndfile knows, got {len(data)} bytes: {said}.'
    )
  return _by_ffmpeg(data, excerpt, refused)


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
  amplitude = np.abs(sound.frames)
  at_top = amplitude >= sound.full_scale
  runs = at_top[: len(at_top) - _RUN_SAMPLES + 1]
  for shift in range(1, _RUN_SAMPLES):
    runs = runs & at_top[shift : len(at_top) - _RUN_SAMPLES + 1 + shift]
  return Measures(
    seconds=sound.seconds,
    sample_rate_hz=sound.sample_rate_hz,
    channels=sound.frames.shape[1],
    coding=sound.coding,
    rms_dbfs=decibels(math.sqrt(float(np.mean(np.square(sound.frames, dtype=np.float64))))),
    peak_dbfs=decibels(float(amplitude.max())),
    clipped_share=float(np.count_nonzero(runs)) / sound.frames.size,
  )


def decibels(amplitude: float) -> float:
  """Returns an amplitude relative to 1 in dB, FLOOR_DBFS at least."""
  return max(FLOOR_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else FLOOR_DBFS


def _read(file: Any, excerpt: utterance.Excerpt | None) -> Sound:
  rate_hz = file.samplerate
  begin, end = 0, file.frames
  if excerpt:
    begin, end = (round(at_s * rate_hz) for at_s in excerpt.bounds_s(file.frames / rate_hz))
    if begin >= end:
      raise ClipError('bad_excerpt', f'Wanted a part of {file.frames / rate_hz:.3f} s, got none.')
    file.seek(begin)
  wanted = min(end - begin, round(MAX_MEASURED_S * rate_hz))
  frames = file.read(wanted, dtype='float32', always_2d=True)
  if not len(frames):
    raise ClipError('no_samples', 'Wanted samples, got a header with none behind it.')
  if not np.isfinite(frames).all():
    raise ClipError('not_finite', 'Wanted finite samples, got NaN or infinity.')
  if excerpt and excerpt.gain_db:
    frames *= np.float32(10 ** (excerpt.gain_db / 20))
  # A stream's header may leave the number of frames open.
  num_frames = end - begin if end - begin < 1 << 48 else len(frames)
  return Sound(
    frames=frames,
    sample_rate_hz=rate_hz,
    seconds=num_frames / rate_hz,
    coding=_coding(file.format, file.subtype),
    full_scale=_FULL_SCALE_OF.get(file.subtype, _FULL_SCALE),
  )


def _by_ffmpeg(
  data: byte_ranges.ByteRanges, excerpt: utterance.Excerpt | None, refused: ClipError
) -> Sound:
  # Here, not above: likewise.
  from features.decoding import deadline, ffmpeg

  source = ffmpeg.open_instead(data, deadline.Deadline(deadline.DEFAULT_S), refused)
  try:
    rate_hz, num_frames = source.sample_rate_hz, source.count()
    begin, end = 0, num_frames
    if excerpt:
      begin, end = (round(at_s * rate_hz) for at_s in excerpt.bounds_s(num_frames / rate_hz))
    if begin >= end:
      reason = 'bad_excerpt' if excerpt else 'no_samples'
      raise ClipError(reason, f'Wanted a part of {num_frames / rate_hz:.3f} s, got none.')
    frames = source.frames(begin, min(end, begin + round(MAX_MEASURED_S * rate_hz)))
  finally:
    source.close()
  if excerpt and excerpt.gain_db:
    frames *= np.float32(10 ** (excerpt.gain_db / 20))
  return Sound(
    frames=frames, sample_rate_hz=rate_hz, seconds=(end - begin) / rate_hz, coding=source.coding
  )


def _coding(container: str, subtype: str) -> str:
  names = {
    'PCM_U8': '8 bit PCM', 'PCM_S8': '8 bit PCM', 'PCM_16': '16 bit PCM', 'PCM_24': '24 bit PCM',
    'PCM_32': '32 bit PCM', 'FLOAT': '32 bit float', 'DOUBLE': '64 bit float', 'ULAW': 'µ-law',
    'ALAW': 'A-law', 'VORBIS': 'Vorbis', 'OPUS': 'Opus', 'MPEG_LAYER_III': '',
  }  # fmt: skip
  name = names.get(subtype, subtype.replace('_', ' '))
  return f'{container}, {name}' if name else container
