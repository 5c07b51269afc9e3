"""From an audio file to one clip: mono, one rate, one length.

The data job and prediction decode with the same function, so a model hears in service what it
heard in training.
"""

import contextlib
import dataclasses
import errno
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from features.decoding import (
  byte_ranges,
  cutting,
  deadline,
  levels,
  opening,
  recording,
  resampling,
  trimming,
)
from features.decoding.cutting import fitted as fitted
from features.portable import elementary
from schemas import audio as audio_schema
from schemas import utterance
from schemas.rejects import ClipError as ClipError


@dataclasses.dataclass(frozen=True)
class Clip:
  """One clip, ready for features.

  Attributes:
    samples: Mono, float32 [clip_samples], in [-1, 1] for a recording that is; zeros around the
      audio. [num_samples] where clips are as long as they are.
    num_samples: How many of them are audio.
    source_s: Duration before it was trimmed and cut, in seconds: of the whole recording, or of
      the excerpt of which the clip is made.
    whole_samples: How many samples it had before it was cut to its length (after it was trimmed).
    noted: What is to be said of it: keys of schemas.rejects.NOTED.
    start_s: Where in the file that begins of which the clip is made, in seconds.
  """

  samples: NDArray[np.float32]
  num_samples: int
  source_s: float
  whole_samples: int = 0
  noted: tuple[str, ...] = ()
  start_s: float = 0.0


_NO_SUCH = {
  errno.ELOOP: 'Wanted a file, got a link that leads to itself.',
  errno.ENAMETOOLONG: 'Wanted a file, got a name that is too long for one.',
}

# So much of the end of a part may be missing: tables round, and codecs add and cut some frames.
EXCERPT_TOLERANCE_S = 0.02

# What is trimmed is held in memory as a whole, at up to 20 bytes a frame: no more than 320 MiB.
MAX_TRIM_FRAMES = 1 << 24

# To count a recording of hours by decoding it takes longer than any part.
_COUNTING = 10


def decode(
  data: byte_ranges.Bytes,
  audio: audio_schema.AudioSpec,
  excerpt: utterance.Excerpt | None = None,
  *,
  min_clip_s: float = 0.0,
  max_decode_s: float = deadline.DEFAULT_S,
) -> Clip:
  """Returns the clip in `data`: what `audio` says, in the order in which it says it.

  Only as much is decoded as the clip needs: from a long recording, its beginning, its middle or its
  end, and what the resampler looks ahead and back. So the samples depend on nothing but the file
  and `audio`. Damage elsewhere is noticed only where the header tells. Trimming needs the whole
  recording, which is then held in memory; one of more than MAX_TRIM_FRAMES is too_long for it.

  An excerpt is for `audio` what the whole recording is else. WAV and other uncompressed audio is
  read where the excerpt lies. FLAC, Vorbis and Opus are searched for it; of MP3, what lies before
  is read and not decoded, which takes some 0.2 s for each hour of it. A recording whose header does
  not say how long it is (a FLAC stream, an MP3 file without a count) has to be decoded to its end.

  Args:
    data: A whole file in a format that libsndfile knows (WAV, FLAC, OGG, Opus, MP3, AIFF...) or,
      where PyAV is installed, FFmpeg (M4A, WebM, WMA...). Of ByteRanges, only what is needed is
      read.
    audio: The rate and length wanted, and what is done to the samples; its max_clip_s limits the
      excerpt, where there is one, and not the recording.
    excerpt: Which part, and its gain; None for the whole. Of one with a duration, up to a half may
      lie behind the end of the recording, which is noted.
    min_clip_s: Recordings or excerpts shorter than this, in seconds, are refused.
    max_decode_s: Processor time that decoding may take, in seconds.

  Raises:
    ClipError: reason empty, not_audio, no_decoder, in_part, truncated, wrong_size, no_samples,
      bad_rate, too_short, too_long, too_slow, not_finite, not_in_one or no_channel; bad_excerpt
      where the excerpt begins behind the end or less than half of it is there; unreadable.
  """
  if not len(data):
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  source = opening.open_recording(data, deadline.Deadline(max_decode_s))
  try:
    return _decoded(source, audio, excerpt, min_clip_s)
  finally:
    source.close()


def decode_parts(
  data: byte_ranges.Bytes,
  audio: audio_schema.AudioSpec,
  parts: Callable[[float], Iterable[utterance.Excerpt]],
  *,
  max_decode_s: float = deadline.DEFAULT_S,
) -> Iterator[Clip]:
  """Yields the clips of parts of one recording, each as `decode` makes it of such an excerpt.

  The recording is opened once, and no moment of it is decoded twice, but to count what no header
  counts. Held is no more than a part. Of codecs that remember (Opus, MP3) the samples may differ
  from those that `decode` gives by what they remember, as it begins near the part.

  Args:
    data: As for `decode`.
    audio: Likewise, for each part.
    parts: From the length of the recording in seconds to its parts, in the order of their starts.
    max_decode_s: Processor time that a part may take, in seconds; to open and to count, ten times.

  Raises:
    ClipError: as `decode`, of the first part for which it would; none comes after it.
  """
  if not len(data):
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  limit = deadline.Deadline(_COUNTING * max_decode_s)
  opened = opening.open_recording(data, limit)
  try:
    source = recording.Forward(opened)
    for part in parts(source.num_frames / source.sample_rate_hz):
      limit.renew(max_decode_s)
      yield _decoded(source, audio, part, 0.0)
  finally:
    opened.close()


def _decoded(
  source: recording.Recording,
  audio: audio_schema.AudioSpec,
  excerpt: utterance.Excerpt | None,
  min_clip_s: float,
) -> Clip:
  listener = levels.Listener(audio.channel, audio.full_scale)
  source.listener = listener
  samples, source_s, whole, start_s = _part(source, audio, excerpt, min_clip_s)
  if listener.decides():
    samples, source_s, whole, start_s = _part(source, audio, excerpt, min_clip_s)
  is_there = excerpt is None or check_excerpt(excerpt, source.count() / source.sample_rate_hz)
  if audio.effects:
    # Here, not above: filters load SciPy's signal package.
    from features import effects

    samples = effects.apply(samples, audio.effects, audio.sample_rate_hz)
  noted = listener.notes() if is_there else (*listener.notes(), 'padded_excerpt')
  if 'cancelled' not in noted and levels.is_silent(samples):
    noted = (*noted, 'silent')
  return Clip(cutting.filled(samples, audio), len(samples), source_s, whole, noted, start_s)


def length_s(
  data: byte_ranges.Bytes,
  excerpt: utterance.Excerpt | None = None,
  *,
  max_decode_s: float = deadline.DEFAULT_S,
) -> float:
  """Returns how long a clip is, in seconds, from its header; where that does not say, by decoding.

  Raises:
    ClipError: as `decode` does.
  """
  if not len(data):
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  source = opening.open_recording(data, deadline.Deadline(max_decode_s))
  try:
    recording_s = source.count() / source.sample_rate_hz
  finally:
    source.close()
  if excerpt is None:
    return recording_s
  check_excerpt(excerpt, recording_s)
  begin_s, end_s = excerpt.bounds_s(recording_s)
  return round(end_s - begin_s, 9)


def read_bytes(path: str) -> bytes:
  """Returns the content of a local file.

  Raises:
    ClipError: reason missing, not_a_file, no_permission, unreadable or empty.
    StorageError: if the disk does not deliver, also when asked again.
  """
  # Here, not above: a worker's decoder has no need of it.
  from tfrecords.storage import passing_faults

  def attempt() -> bytes:
    with opened_file(path) as stream:
      return stream.read()

  data = passing_faults.patiently(attempt, path)
  if not data:
    raise ClipError('empty', 'Wanted an audio file, got 0 bytes.')
  return data


@contextlib.contextmanager
def opened_file(path: str) -> Iterator[BinaryIO]:
  """Gives a local file as a stream; what goes wrong while it is open is told like the opening.

  Raises:
    ClipError: reason missing, not_a_file, no_permission or unreadable.
  """
  with telling_of_file(path):
    # Asked before it is opened: to open a named pipe would wait for ever.
    if not stat.S_ISREG(os.stat(path).st_mode):
      raise not_a_file()
    with open(path, 'rb') as stream:
      yield stream


@contextlib.contextmanager
def telling_of_file(path: str) -> Iterator[None]:
  """Turns what the system says of a local file into a ClipError, as opened_file tells it."""
  try:
    yield
  except (OSError, ValueError) as error:
    told = told_of_file(error, path)
    if told is None:
      raise
    raise told from error


def told_of_file(error: OSError | ValueError, path: str) -> ClipError | None:
  """Returns what the system says of a local file as a ClipError; None for what it did not say."""
  if isinstance(error, ValueError):
    zero = ClipError('missing', 'Wanted a file, got a name with a zero byte.')
    return zero if '\0' in path else None
  if isinstance(error, (FileNotFoundError, NotADirectoryError)):
    return ClipError('missing', 'Wanted a file, got nothing under this name.')
  if isinstance(error, PermissionError):
    return ClipError('no_permission', 'Wanted to read the file, got no permission.')
  if error.errno == errno.ENXIO:  # A socket.
    return not_a_file()
  if error.errno in _NO_SUCH:
    return ClipError('missing', _NO_SUCH[error.errno])
  return byte_ranges.unreadable(error)


def not_a_file() -> ClipError:
  """Returns the error of a path at which there is something else than a file."""
  return ClipError('not_a_file', 'Wanted a file, got a folder or a device.')


def _part(
  source: recording.Recording,
  audio: audio_schema.AudioSpec,
  excerpt: utterance.Excerpt | None,
  min_clip_s: float,
) -> tuple[NDArray[np.float32], float, int, float]:
  """Returns a clip's audio, how long it was (as recorded in s, uncut in samples) and its start."""
  from_hz, to_hz = source.sample_rate_hz, audio.sample_rate_hz
  total_frames = source.count(_max_frames(source, audio, excerpt))
  if not total_frames:
    raise ClipError('no_samples', 'Wanted samples, got a header with none behind it.')
  begin, end = 0, resampling.num_resampled(total_frames, from_hz, to_hz)
  source_s = total_frames / from_hz
  start_s = 0.0
  if excerpt is not None:
    start_s, _ = excerpt.bounds_s(source_s)
    begin, end, source_s = _bounds(excerpt, source_s, end, to_hz)
  _check_duration(source_s, audio, min_clip_s)
  if audio.trim_db:
    _check_trimmable(max(source_s * from_hz, end - begin), source_s)
  if begin == end:
    raise ClipError(
      'no_samples',
      f'Wanted samples at {to_hz} Hz, got {total_frames} at {from_hz} Hz, less than half of one.',
    )
  wanted, whole = audio.clip_samples, end - begin
  if wanted and whole > wanted and not audio.trim_db:
    begin += cutting.offset(whole, wanted, audio.position)
    end = begin + wanted
  samples = resampling.read(source, to_hz, begin, end)
  if audio.trim_db:
    first, last = trimming.bounds(samples, to_hz, audio.trim_db)
    whole = last - first
    samples = cutting.cut(samples[first:last], audio)
  if excerpt is not None and excerpt.gain_db:
    samples = _amplified(samples, excerpt.gain_db)
  # A recording may hold a sample less than its header says: of it, nothing was cut.
  return samples, source_s, whole if len(samples) == wanted else len(samples), start_s


def _max_frames(
  source: recording.Recording, audio: audio_schema.AudioSpec, excerpt: utterance.Excerpt | None
) -> int | None:
  """How far to count the frames of a recording: further, it is refused anyway."""
  if excerpt is not None:
    return None
  limits = []
  if audio.is_variable:
    limits.append(math.ceil(audio.max_clip_s * source.sample_rate_hz))
  if audio.trim_db:
    limits.append(MAX_TRIM_FRAMES)
  return min(limits, default=None)


def _bounds(
  excerpt: utterance.Excerpt, recording_s: float, num_samples: int, sample_rate_hz: int
) -> tuple[int, int, float]:
  """Returns where the excerpt begins and ends, in samples, and its duration in seconds."""
  begin_s, end_s = excerpt.bounds_s(recording_s)
  check_excerpt(excerpt, recording_s)
  # A duration of 1 s that begins at 0.1 s must not come out as 0.9999999999999999 s: too short.
  duration_s = round(end_s - begin_s, 9)
  begin = min(num_samples, round(begin_s * sample_rate_hz))
  end = min(num_samples, begin + round(duration_s * sample_rate_hz))
  if begin == end:
    start_s = excerpt.window_start * recording_s + excerpt.start_s
    raise ClipError(
      'bad_excerpt',
      f'Wanted a part that begins before {excerpt.window_end * recording_s:.6g} s, where the '
      f'audio ends, got one from {start_s:.6g} s to {start_s + excerpt.duration_s:.6g} s.',
    )
  return begin, end, duration_s


def check_excerpt(excerpt: utterance.Excerpt, recording_s: float) -> bool:
  """Returns whether a part that was asked for in seconds is there, but for a rounding of its end.

  Raises:
    ClipError: reason bad_excerpt, where less than half of it is there.
  """
  if not excerpt.duration_s or (excerpt.window_start, excerpt.window_end) != (0, 1):
    return True  # What there is was asked for.
  begin_s, end_s = excerpt.bounds_s(recording_s)
  there_s = round(end_s - begin_s, 9)
  if 0 < there_s < excerpt.duration_s / 2:
    raise ClipError(
      'bad_excerpt',
      f'Wanted {excerpt.duration_s:.6g} s from {excerpt.start_s:.6g} s on, got {there_s:.6g} s: '
      f'the audio ends at {recording_s:.6g} s.',
    )
  return round(excerpt.duration_s - there_s, 9) <= EXCERPT_TOLERANCE_S


def _check_duration(source_s: float, audio: audio_schema.AudioSpec, min_clip_s: float) -> None:
  if source_s < min_clip_s:
    raise ClipError('too_short', f'Wanted at least {min_clip_s:g} s, got {source_s:.6g} s.')
  if audio.is_variable and source_s > audio.max_clip_s:
    raise ClipError('too_long', f'Wanted at most {audio.max_clip_s:g} s, got {source_s:.6g} s.')


def _check_trimmable(num_frames: float, source_s: float) -> None:
  if num_frames > MAX_TRIM_FRAMES:
    raise ClipError(
      'too_long',
      f'Wanted at most {MAX_TRIM_FRAMES} frames to trim silence from, got {num_frames:.0f} in '
      f'{source_s:.6g} s. Cut the recording by a table, or do without trimming.',
    )


def _amplified(samples: NDArray[np.float32], gain_db: float) -> NDArray[np.float32]:
  gain = elementary.power(10, min(gain_db, 1_000) / 20)
  peak = float(np.abs(samples).max()) * gain
  if not peak:
    return np.zeros_like(samples)  # Zeros times a gain beyond float32 would be NaN.
  if peak > recording.MAX_SAMPLE:
    raise ClipError('not_finite', f'Wanted samples in [-1, 1], got {peak:g} after {gain_db:g} dB.')
  return samples * np.float32(gain)
