"""From the bytes of an audio file to one clip: mono, one rate, one length.

The data job and prediction decode with the same function, so a model hears in service what it
heard in training.
"""

import dataclasses
import math
import os
import pathlib
import stat

import numpy as np
from numpy.typing import NDArray

from features import recording, storage, wav
from features.clip_error import ClipError as ClipError
from schemas import audio as audio_schema

# What the resampler may look ahead, in frames of the lower of the two rates. Measured with soxr 1.1
# (HQ) on ten pairs of rates: from 800 on the clip is, to the last bit, that of the whole file.
RESAMPLER_LOOKAHEAD = 2048


@dataclasses.dataclass(frozen=True)
class Clip:
  """One clip, ready for features.

  Attributes:
    samples: Mono, float32 [clip_samples], in [-1, 1] for a recording that is; zeros behind the
      end of the audio.
    num_samples: How many of them are audio.
    source_s: Duration of the whole recording before it was cut, in seconds.
  """

  samples: NDArray[np.float32]
  num_samples: int
  source_s: float


def decode(data: bytes, audio: audio_schema.AudioSpec, *, min_clip_s: float = 0.0) -> Clip:
  """Returns the clip in `data`: the mean of its channels, at the rate and length of `audio`.

  Only as much is decoded as the clip needs: from a long recording, its beginning. What is
  resampled is always the first ceil(clip_samples * rate / sample_rate_hz) + lookahead frames, so
  the samples depend on nothing but the file and `audio`. Damage behind them is noticed only where
  the header tells.

  Args:
    data: A whole file in a format that libsndfile knows: WAV, FLAC, OGG, Opus, MP3, AIFF...
    audio: The rate and length wanted.
    min_clip_s: Recordings shorter than this, in seconds, are refused.

  Raises:
    ClipError: reason empty, not_audio, truncated, no_samples, bad_rate, too_short or not_finite.
  """
  if not data:
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  source = _decoded(data, audio)
  if not source.total_frames:
    raise ClipError('no_samples', 'Wanted samples, got a header with none behind it.')
  if source.total_s < min_clip_s:
    raise ClipError('too_short', f'Wanted at least {min_clip_s:g} s, got {source.total_s:.6g} s.')
  mono = _resampled(_mono(source.frames), source.sample_rate_hz, audio.sample_rate_hz)
  num_samples = min(len(mono), audio.clip_samples)
  if not num_samples:
    raise ClipError(
      'no_samples',
      f'Wanted samples at {audio.sample_rate_hz} Hz, got {source.total_frames} at '
      f'{source.sample_rate_hz} Hz, less than half of one.',
    )
  samples = np.zeros(audio.clip_samples, np.float32)
  samples[:num_samples] = mono[:num_samples]
  return Clip(samples, num_samples, source.total_s)


def read_bytes(path: str) -> bytes:
  """Returns the content of a local file.

  Raises:
    ClipError: reason missing, not_a_file, no_permission, unreadable or empty.
  """
  try:
    # Asked before it is opened: to open a named pipe would wait for ever.
    is_file = stat.S_ISREG(os.stat(path).st_mode)
    data = pathlib.Path(path).read_bytes() if is_file else b''
  except (FileNotFoundError, NotADirectoryError):
    raise ClipError('missing', 'Wanted a file, got nothing under this name.') from None
  except PermissionError:
    raise ClipError('no_permission', 'Wanted to read the file, got no permission.') from None
  except (OSError, ValueError) as error:  # ValueError: a zero byte in the path.
    said = getattr(error, 'strerror', None) or str(error)
    raise ClipError('unreadable', f'Wanted the content of the file, got: {said}.') from None
  if not is_file:
    raise ClipError('not_a_file', 'Wanted a file, got a folder or a device.')
  if not data:
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  return data


def _decoded(data: bytes, audio: audio_schema.AudioSpec) -> recording.Recording:
  header = wav.read_header(data)
  if header is None or not header.is_pcm16:
    # Here, not above: a worker that sees nothing but 16-bit WAV never loads the library.
    from features import sound_file

    whole = data if header is None else wav.with_size(data, header)
    return sound_file.decode(whole, lambda rate_hz: _num_source_frames(audio, rate_hz))
  samples = wav.samples(data, header)
  wanted = _num_source_frames(audio, header.sample_rate_hz)
  return recording.Recording(
    frames=storage.from_stored(samples[:wanted]),
    sample_rate_hz=header.sample_rate_hz,
    total_frames=len(samples),
  )


def _num_source_frames(audio: audio_schema.AudioSpec, rate_hz: int) -> int:
  """How many frames of a recording at `rate_hz` a clip is made of."""
  if rate_hz == audio.sample_rate_hz:
    return audio.clip_samples
  ratio = rate_hz / audio.sample_rate_hz
  return math.ceil(audio.clip_samples * ratio) + math.ceil(RESAMPLER_LOOKAHEAD * max(1.0, ratio))


def _mono(frames: NDArray[np.float32]) -> NDArray[np.float32]:
  """Mean of the channels: [num_frames, channels] -> [num_frames]."""
  total = frames[:, 0]
  for channel in range(1, frames.shape[1]):
    total = total + frames[:, channel]
  return total / np.float32(frames.shape[1]) if frames.shape[1] > 1 else total


def _resampled(mono: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
  if from_hz == to_hz:
    return mono
  # Here, not above: a corpus that has the wanted rate never loads the library.
  import soxr

  resampled: NDArray[np.float32] = soxr.resample(mono, from_hz, to_hz, quality='HQ')
  return resampled
