"""Decodes with libsndfile, from memory or a file that is open, and no further than needed.

Importing this module loads libsndfile: a worker that sees nothing but 16-bit WAV never does.
"""

import contextlib
import re

import numpy as np
import soundfile
from numpy.typing import NDArray

from features.decoding import byte_ranges, deadline, levels, recording
from features.decoding.byte_ranges import Bytes
from features.decoding.containers import data_sizes, joined, mpeg_audio
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


class _Forward(soundfile.SoundFile):  # type: ignore[misc]  # No annotations there.
  """A sound file that soundfile itself does not seek in."""

  def seekable(self) -> bool:
    """False. Otherwise soundfile seeks after every read, which fails at the end of a stream."""
    return False


class Decoder(recording.Recording):
  """A recording in any format that libsndfile recognises, and in which it finds all that is there.

  An MP3 file in which nobody counted the frames ends for libsndfile 1.2 where it guesses from the
  first frames, which may be too early. Where it is, or where the count is not that of the whole
  file, it is given a count of ours.
  """

  def __init__(self, data: Bytes, limit: deadline.Deadline) -> None:
    """Opens a whole file.

    Raises:
      ClipError: `not_audio` where libsndfile knows no format, `truncated` where less is there than
        the header promises, `wrong_size` where more is, `in_part` where libsndfile would leave some
        of it out, `bad_rate`, `too_slow`.
    """
    self._data = data
    self._limit = limit
    self._stack = contextlib.ExitStack()
    self._source: byte_ranges.File
    self._open()
    try:
      recording.check_rate(self._file.samplerate)
      is_open = self._file.format == 'MP3' and not self._has_count()
      _check_whole(data, self._file)
    except ClipError:
      self.close()
      raise
    file = self._file
    self.sample_rate_hz: int = file.samplerate
    self.num_frames: int | None = None if is_open or file.frames > _OPEN_FRAMES else file.frames
    self.sample_coding = levels.Coding.of(file.subtype)
    self.coding = f'{file.format}, {file.subtype}'

  def read(self, begin: int, end: int) -> NDArray[np.float32]:
    """Returns what is heard, float32 [end - begin]; see recording.Recording.

    Raises:
      ClipError: `truncated` where less can be decoded than the header promises, `not_finite` and
        what else `heard` says.
    """
    self._go_to(begin)
    last = end if self.num_frames is None else min(end, self.num_frames)
    blocks = []
    while self._position < last:
      wanted = min(self._block_frames, last - self._position)
      frames = self._read(np.empty((wanted, self._file.channels), np.float32))
      if not len(frames):
        break
      blocks.append(self.heard(frames, self._position))
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

  def _has_count(self) -> bool:
    """Whether libsndfile knows, and not guesses, how many frames an MP3 file has.

    Where it would find too few, the file is opened anew with a count of ours before it.

    Raises:
      ClipError: `truncated` where fewer are there than the file's own count, `in_part` where
        libsndfile does not take ours.
    """
    stream = mpeg_audio.find(self._data)
    if stream is None or stream.is_consistent(self._data):
      return stream is not None
    num_mpeg, end = mpeg_audio.count(self._data, stream, self._limit)
    promised, samples = stream.promised_frames, stream.first.num_samples
    # One more or less: some writers count the frame of the count, too, and the last may be cut.
    if promised and num_mpeg < promised - 1:
      raise recording.truncated(promised * samples, num_mpeg * samples)
    found = promised * samples if promised else self._file.frames
    least = (num_mpeg - 1) * samples
    if found >= least:
      return bool(promised)
    if stream.first.layer == mpeg_audio.LAYER_3:
      parts = mpeg_audio.counted(self._data, stream, num_mpeg, end)
      self._data = byte_ranges.prefixed(self._data, *parts)
      self._open()
    if self._file.frames < least:
      raise joined.in_part(f'{num_mpeg} frames of MPEG audio without their number')
    return True

  def _open(self) -> None:
    self.close()
    self._source = byte_ranges.File(self._data, self._limit)
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
    self._limit.check()
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
  if file.format == 'OGG':
    joined.check_ogg(data)
  elif file.format == 'FLAC':
    joined.check_flac(data, file.frames)
  else:
    data_sizes.check(data, file.frames, file.samplerate)


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
  tail = data[max(0, len(data) - joined.OGG_TAIL_BYTES) :]
  start = tail.rfind(b'OggS')
  header = tail[start : start + 27] if start >= 0 else b''
  if len(header) < 27 or not header[5] & 4:
    return True
  lengths = tail[start + 27 : start + 27 + header[26]]
  return start + 27 + header[26] + sum(lengths) > len(tail)
