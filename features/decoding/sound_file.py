"""Decodes with libsndfile, from memory or a file that is open, and no further than needed.

Importing this module loads libsndfile: a worker that sees nothing but 16-bit WAV never does.
"""

import contextlib
import io
import re
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from features.decoding import recording
from features.decoding.byte_ranges import Bytes
from schemas.rejects import ClipError

# From here on a number of frames or bytes says that it was not known when the header was written:
# 2^63 - 1 frames of a FLAC stream, 0x7F000008 or 0xFFFFFFFF bytes of AIFF and AU from a pipe.
_OPEN_FRAMES = 1 << 48
_OPEN_BYTES = 0x7F000000

# What is decoded at once, of all channels together: 2 MiB of samples.
_BLOCK_SAMPLES = 1 << 19

# Where decoding begins before the place that was sought, in frames. A frame of MP3 takes bytes from
# up to ten before it, and libsndfile mutes those that lack theirs. Measured on 300 places: without
# it up to 0.7 wrong, with 10 frames 2e-7. It does not help Opus, whose memory differs by up to
# 6e-3 in speech, also after 2 s.
_LEAD_IN_FRAMES = {'MPEG_LAYER_III': 16 * 1152}

# libsndfile takes a file that was cut off for a shorter one, and says so only in its log.
_LOGGED_BYTES = re.compile(r'^ *(?:SSND|BODY|Data Size) *: (\d+) \(should be (\d+)\)', re.MULTILINE)
_LOGGED_FRAMES = re.compile(r"does not match value from 'ds64' chunk of (\d+)\.")
_SPHERE_FRAMES = re.compile(rb'NIST_1A\n.*?^sample_count -i (\d+)$', re.MULTILINE | re.DOTALL)

# libsndfile's code for a file that begins like MPEG audio and is none (UTF-16 text does). Its text
# for it speaks of a pipe.
_NO_MPEG_FRAME = 7

# The last page of an Ogg file lies in so many bytes at its end: two pages of the largest size.
_OGG_TAIL_BYTES = 2 * 65_307

# One of these stands in the first frame of an MP3 file whose writer counted the frames.
_MP3_COUNTS = (b'Xing', b'Info', b'VBRI')


class _File(io.RawIOBase):
  """A file as libsndfile reads it; an error is kept, as a C callback cannot raise it."""

  def __init__(self, data: Bytes) -> None:
    super().__init__()
    self._data = data
    self._position = 0
    self.error: ClipError | None = None

  def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
    """Returns the position, which stays where it would come to lie before the beginning."""
    start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._data)}[whence]
    if start + offset >= 0:
      self._position = start + offset
    return self._position

  def tell(self) -> int:
    """Returns the position."""
    return self._position

  def readinto(self, buffer: Any) -> int:
    """Fills `buffer` and returns how far; 0 at the end and after an error."""
    try:
      data = self._data[self._position : self._position + len(buffer)]
    except ClipError as error:
      self.error = error
      return 0
    buffer[: len(data)] = data
    self._position += len(data)
    return len(data)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # No annotations there.
  """A sound file that soundfile itself does not seek in."""

  def seekable(self) -> bool:
    """False. Otherwise soundfile seeks after every read, which fails at the end of a stream."""
    return False


class Decoder(recording.Recording):
  """A recording in any format that libsndfile recognises.

  An MP3 file of changing bit rate in which nobody counted the frames (no Xing header) ends for
  libsndfile 1.2 where it guesses from the first frames, which may be too early.
  """

  def __init__(self, data: Bytes) -> None:
    """Opens a whole file.

    Raises:
      ClipError: `not_audio` where libsndfile knows no format, `truncated` where less is there than
        the header promises, `bad_rate`.
    """
    self._data = data
    self._stack = contextlib.ExitStack()
    self._source: _File
    self._open()
    file = self._file
    try:
      recording.check_rate(file.samplerate)
      _check_whole(data, file)
    except ClipError:
      self.close()
      raise
    self.sample_rate_hz: int = file.samplerate
    is_open = file.frames > _OPEN_FRAMES or (file.format == 'MP3' and not _has_mp3_count(data))
    self.num_frames: int | None = None if is_open else file.frames

  def read(self, begin: int, end: int) -> NDArray[np.float32]:
    """Returns the mean of the channels, float32 [end - begin]; see recording.Recording.

    Raises:
      ClipError: `truncated` where less can be decoded than the header promises, `not_finite`.
    """
    self._go_to(begin)
    last = end if self.num_frames is None else min(end, self.num_frames)
    blocks = []
    while self._position < last:
      wanted = min(self._block_frames, last - self._position)
      frames = self._read(np.empty((wanted, self._file.channels), np.float32))
      if not len(frames):
        break
      _check_finite(frames, self._position, self.sample_rate_hz)
      blocks.append(recording.mono(frames))
      self._position += len(frames)
    if self.num_frames is not None and self._position < last:
      raise recording.truncated(self.num_frames, self._position)
    return blocks[0] if len(blocks) == 1 else np.concatenate([*blocks, np.empty(0, np.float32)])

  def count(self, max_frames: int | None = None) -> int:
    """Returns the number of frames; see recording.Recording."""
    if self.num_frames is not None:
      return self.num_frames
    block = np.empty((self._block_frames, self._file.channels), np.float32)
    while num_read := len(self._read(block)):
      self._position += num_read
      if max_frames is not None and self._position > max_frames:
        return self._position
    self.num_frames = self._position
    return self._position

  def close(self) -> None:
    """Closes libsndfile's file, and not what it was opened on."""
    self._stack.close()

  def _open(self) -> None:
    self.close()
    self._source = _File(self._data)
    try:
      self._file = self._stack.enter_context(_Forward(self._source))
    except soundfile.LibsndfileError as error:
      raise self._explained(error) from error
    self._position = 0
    self._block_frames = max(1, min(1 << 16, _BLOCK_SAMPLES // self._file.channels))

  def _go_to(self, begin: int) -> None:
    """Stands at `begin`, in a file that was sought in at most once: so its bits are always those.

    The state of a decoder of MP3 or Opus depends on where it was before.
    """
    if begin == self._position:
      return
    if self._position:
      self._open()
    start = begin - _LEAD_IN_FRAMES.get(self._file.subtype, 0)
    if start > 0:
      try:
        self._file.seek(start)
      except soundfile.LibsndfileError as error:
        raise self._explained(error) from error
      self._position = start
    while self._position < begin:
      wanted = min(self._block_frames, begin - self._position)
      num_read = len(self._read(np.empty((wanted, self._file.channels), np.float32)))
      if not num_read:
        break
      self._position += num_read

  def _read(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
    try:
      frames: NDArray[np.float32] = self._file.read(dtype='float32', out=block)
    except soundfile.LibsndfileError as error:
      raise self._explained(error) from error
    self._raise_kept()
    return frames

  def _explained(self, error: soundfile.LibsndfileError) -> ClipError:
    self._raise_kept()
    return _explained(self._data, error)

  def _raise_kept(self) -> None:
    if self._source.error is not None:
      raise self._source.error


def _has_mp3_count(data: Bytes) -> bool:
  start = 0
  if data[:3] == b'ID3':  # Ten bytes, the last four of them the size, seven bits each.
    start = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
  return any(tag in data[start : start + 2048] for tag in _MP3_COUNTS)


def _check_whole(data: Bytes, file: soundfile.SoundFile) -> None:
  log = file.extra_info
  for promised_bytes, held_bytes in _LOGGED_BYTES.findall(log):
    if int(held_bytes) < int(promised_bytes) < _OPEN_BYTES:
      raise ClipError(
        'truncated',
        f'Wanted {promised_bytes} bytes of audio, as the header says, got {held_bytes}.',
      )
  for promised in (*_LOGGED_FRAMES.findall(log), *_SPHERE_FRAMES.findall(data[:1024])):
    if file.frames < int(promised) < _OPEN_FRAMES:
      raise recording.truncated(int(promised), file.frames)
  if not file.frames and _is_ogg_cut_off(data):
    raise ClipError('truncated', 'Wanted a whole last Ogg page, got none.')


def _check_finite(frames: NDArray[np.float32], begin: int, sample_rate_hz: int) -> None:
  is_good = np.abs(frames) <= recording.MAX_SAMPLE  # NaN is not <= anything.
  if not is_good.all():
    frame, channel = np.argwhere(~is_good)[0]
    raise ClipError(
      'not_finite',
      f'Wanted samples in [-1, 1], got {frames[frame, channel]:g} '
      f'after {(begin + frame) / sample_rate_hz:.6g} s.',
    )


def _explained(data: Bytes, error: soundfile.LibsndfileError) -> ClipError:
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


def _is_ogg_cut_off(data: Bytes) -> bool:
  """Whether `data` is Ogg without a whole page at its end that is marked as the last.

  Some players write no mark, so this only explains why libsndfile finds nothing. Source: RFC 3533,
  section 6: a page's header of 27 bytes holds the mark in bit 2 of byte 5 and the number of
  segments in byte 26; their lengths follow, then they themselves.
  """
  if data[:4] != b'OggS':
    return False
  tail = data[max(0, len(data) - _OGG_TAIL_BYTES) :]
  start = tail.rfind(b'OggS')
  header = tail[start : start + 27] if start >= 0 else b''
  if len(header) < 27 or not header[5] & 4:
    return True
  lengths = tail[start + 27 : start + 27 + header[26]]
  return start + 27 + header[26] + sum(lengths) > len(tail)
