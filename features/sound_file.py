"""Decodes with libsndfile, from memory and no further than needed.

Importing this module loads libsndfile: a worker that sees nothing but 16-bit WAV never does.
"""

import io
import re
from collections.abc import Callable

import numpy as np
import soundfile
from numpy.typing import NDArray

from features import recording
from features.clip_error import ClipError

# Float samples are meant to be in [-1, 1]. Beyond this the power of a frame could overflow float32
# and a feature would be infinite.
MAX_SAMPLE = 1e9

# From here on a number of frames or bytes says that it was not known when the header was written:
# 2^63 - 1 frames of a FLAC stream, 0x7F000008 or 0xFFFFFFFF bytes of AIFF and AU from a pipe.
_OPEN_FRAMES = 1 << 48
_OPEN_BYTES = 0x7F000000

_BLOCK_FRAMES = 1 << 16

# libsndfile takes a file that was cut off for a shorter one, and says so only in its log.
_LOGGED_BYTES = re.compile(r'^ *(?:SSND|BODY|Data Size) *: (\d+) \(should be (\d+)\)', re.MULTILINE)
_LOGGED_FRAMES = re.compile(r"does not match value from 'ds64' chunk of (\d+)\.")
_SPHERE_FRAMES = re.compile(rb'NIST_1A\n.*?^sample_count -i (\d+)$', re.MULTILINE | re.DOTALL)

# libsndfile's code for a file that begins like MPEG audio and is none (UTF-16 text does). Its text
# for it speaks of a pipe.
_NO_MPEG_FRAME = 7

# One of these stands in the first frame of an MP3 file whose writer counted the frames.
_MP3_COUNTS = (b'Xing', b'Info', b'VBRI')


class _Memory(io.BytesIO):
  """A file in memory; where a damaged header sends libsndfile before its beginning, it stays."""

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    """Returns the position; BytesIO's ValueError would end up on stderr, from a C callback."""
    try:
      return super().seek(offset, whence)
    except (ValueError, OverflowError):
      return self.tell()


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # No annotations there.
  """A sound file that is read from front to back."""

  def seekable(self) -> bool:
    """False. Otherwise soundfile seeks after every read, which fails at the end of a stream."""
    return False


def decode(data: bytes, num_frames_at: Callable[[int], int]) -> recording.Recording:
  """Returns the beginning of the recording in `data`.

  A recording whose header does not say how long it is (a FLAC stream, an MP3 file without a count)
  is decoded to its end, to know.

  Args:
    data: A whole file in any format that libsndfile recognises.
    num_frames_at: From the sample rate in Hz to how many frames are wanted.

  Raises:
    ClipError: `not_audio` where libsndfile knows no format, `truncated` where less can be decoded
      than the header promises, `bad_rate`, `not_finite`.
  """
  try:
    with _Forward(_Memory(data)) as file:
      recording.check_rate(file.samplerate)
      _check_whole(data, file)
      wanted = min(num_frames_at(file.samplerate), file.frames)
      frames = file.read(wanted, dtype='float32', always_2d=True)
      _check_finite(frames, file.samplerate)
      return recording.Recording(
        frames=frames,
        sample_rate_hz=file.samplerate,
        total_frames=_total_frames(data, file, len(frames), wanted),
      )
  except soundfile.LibsndfileError as error:
    raise _explained(data, error) from error


def _total_frames(data: bytes, file: soundfile.SoundFile, num_read: int, wanted: int) -> int:
  if file.frames > _OPEN_FRAMES or (file.format == 'MP3' and not _has_mp3_count(data)):
    return num_read + _count(file)
  if num_read < wanted:
    raise _truncated(file.frames, num_read)
  return int(file.frames)


def _count(file: soundfile.SoundFile) -> int:
  """Frames from here to the end, decoded and thrown away."""
  block = np.empty((_BLOCK_FRAMES, file.channels), np.float32)
  count = 0
  while num_read := len(file.read(dtype='float32', out=block)):
    count += num_read
  return count


def _has_mp3_count(data: bytes) -> bool:
  start = 0
  if data[:3] == b'ID3':  # Ten bytes, the last four of them the size, seven bits each.
    start = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
  return any(tag in data[start : start + 2048] for tag in _MP3_COUNTS)


def _check_whole(data: bytes, file: soundfile.SoundFile) -> None:
  log = file.extra_info
  for promised_bytes, held_bytes in _LOGGED_BYTES.findall(log):
    if int(held_bytes) < int(promised_bytes) < _OPEN_BYTES:
      raise ClipError(
        'truncated',
        f'Wanted {promised_bytes} bytes of audio, as the header says, got {held_bytes}.',
      )
  for promised in (*_LOGGED_FRAMES.findall(log), *_SPHERE_FRAMES.findall(data[:1024])):
    if file.frames < int(promised) < _OPEN_FRAMES:
      raise _truncated(int(promised), file.frames)
  if not file.frames and _is_ogg_cut_off(data):
    raise ClipError('truncated', 'Wanted a whole last Ogg page, got none.')


def _truncated(promised_frames: int, held_frames: int) -> ClipError:
  return ClipError(
    'truncated', f'Wanted {promised_frames} frames, as the header says, got {held_frames}.'
  )


def _check_finite(frames: NDArray[np.float32], sample_rate_hz: int) -> None:
  is_good = np.abs(frames) <= MAX_SAMPLE  # NaN is not <= anything.
  if not is_good.all():
    frame, channel = np.argwhere(~is_good)[0]
    raise ClipError(
      'not_finite',
      f'Wanted samples in [-1, 1], got {frames[frame, channel]:g} '
      f'after {frame / sample_rate_hz:.6g} s.',
    )


def _explained(data: bytes, error: soundfile.LibsndfileError) -> ClipError:
  # Not str(error): it holds the address of a Python object, another one in every run.
  said = str(error.error_string).removeprefix('Error : ').rstrip('.')
  if error.code == _NO_MPEG_FRAME:
    said = 'no frame of MPEG audio found'
  if not str(error).startswith('Error opening'):
    return ClipError('truncated', f'Wanted audio up to the end, but decoding stopped: {said}.')
  if _is_ogg_cut_off(data):
    return ClipError('truncated', f'Wanted a whole last Ogg page, got none: {said}.')
  return ClipError(
    'not_audio',
    f'Wanted a format that libsndfile knows, got {len(data)} bytes that begin with '
    f'{data[:4]!r}: {said}.',
  )


def _is_ogg_cut_off(data: bytes) -> bool:
  """Whether `data` is Ogg without a whole page at its end that is marked as the last.

  Some players write no mark, so this only explains why libsndfile finds nothing. Source: RFC 3533,
  section 6: a page's header of 27 bytes holds the mark in bit 2 of byte 5 and the number of
  segments in byte 26; their lengths follow, then they themselves.
  """
  if data[:4] != b'OggS':
    return False
  start = data.rfind(b'OggS')
  header = data[start : start + 27]
  if len(header) < 27 or not header[5] & 4:
    return True
  lengths = data[start + 27 : start + 27 + header[26]]
  return start + 27 + header[26] + sum(lengths) > len(data)
