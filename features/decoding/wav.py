"""WAV headers: the fast path for 16-bit PCM, and what libsndfile does not complain of.

Most speech corpora are 16-bit PCM WAV. For these the samples are a view of the file's bytes,
without a decoder. Other codings in a WAV file are libsndfile's to decode, but their header is read
here too, because libsndfile takes a file that was cut off for a shorter one.

Source: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0 (1991);
Microsoft, Multiple Channel Audio Data and WAVE Files (2007) for WAVE_FORMAT_EXTENSIBLE.
"""

import dataclasses
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from features import stored_form
from features.decoding import recording
from features.decoding.byte_ranges import Bytes
from features.decoding.containers import data_sizes
from schemas.rejects import ClipError

_RIFF = struct.Struct('<4sI4s')
_CHUNK = struct.Struct('<4sI')
_FORMAT = struct.Struct('<HHIIHH')  # tag, channels, rate, bytes/s, bytes per frame, bits
# The beginning of most files: no chunk but the two, and all of the rest is audio.
_PLAIN = struct.Struct('<4sI4s4sIHHIIHH4sI')
PLAIN_HEADER_BYTES = _PLAIN.size
_EXTENSION = struct.Struct('<HHI16s')  # size, valid bits, speakers, sub-format

PCM, FLOAT = 1, 3  # Tags.
_EXTENSIBLE = 0xFFFE
_PCM_SUBFORMAT = bytes.fromhex('0100000000001000800000aa00389b71')

# What programs write as the size when they cannot go back to fill it in, besides 0: the largest of
# 32 bits (ffmpeg), about 2 GiB (arecord, SoX). SoX rounds down to whole frames.
_OPEN_SIZES_BYTES = (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x7FFFF000)

# Where the size of 32 bits begins anew: a program that does not notice writes a small one.
_WRAP_BYTES = 1 << 32

_MAX_CHANNELS = 1024  # libsndfile's limit.

# What is turned to float32 at once, of all channels together: 4 MiB.
_BLOCK_SAMPLES = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
  """What the header of a WAV file says, after it was held against the file.

  Attributes:
    sample_rate_hz: Samples per second.
    num_channels: Channels.
    is_pcm16: Whether the samples are 16-bit PCM, for `samples`.
    data_offset_bytes: Where the audio begins.
    data_bytes: How long it is, in the file and not by the header alone.
    is_streamed: Whether the header leaves the size open.
  """

  sample_rate_hz: int
  num_channels: int
  is_pcm16: bool
  data_offset_bytes: int
  data_bytes: int
  is_streamed: bool

  @property
  def num_frames(self) -> int:
    """Whole frames of a 16-bit PCM file."""
    return self.data_bytes // (2 * self.num_channels)


def header_bytes(
  tag: int, data_bytes: int, *, channels: int, rate_hz: int, sample_bytes: int
) -> bytes:
  """Returns what stands in front of the samples of a file that holds nothing else.

  Args:
    tag: PCM or FLOAT.
    data_bytes: All samples, up to 4 GiB less PLAIN_HEADER_BYTES.
    channels: How many are interleaved.
    rate_hz: Frames a second.
    sample_bytes: Of one value.
  """
  frame_bytes = sample_bytes * channels
  return _PLAIN.pack(
    b'RIFF', data_bytes + _PLAIN.size - 8, b'WAVE', b'fmt ', 16, tag, channels, rate_hz,
    (rate_hz * frame_bytes) & 0xFFFFFFFF, frame_bytes, 8 * sample_bytes, b'data', data_bytes,
  )  # fmt: skip


class Pcm16(recording.Recording):
  """A 16-bit PCM file, of which any part is read without a decoder."""

  def __init__(self, data: Bytes, header: Header) -> None:
    self._data = data
    self._header = header
    self.sample_rate_hz = header.sample_rate_hz
    self.num_frames: int = header.num_frames
    self.coding = 'WAV, PCM_16'

  def read(self, begin: int, end: int) -> NDArray[np.float32]:
    """Returns what is heard, float32 [end - begin]; see recording.Recording."""
    if self._header.num_channels == 1:
      return self.heard(self._block(begin, end), begin)
    # In blocks: of 1,024 channels, a second at 768 kHz would be 3 GB as float32.
    step = max(1, _BLOCK_SAMPLES // self._header.num_channels)
    last = min(end, self.num_frames)
    blocks = [
      self.heard(self._block(at, min(at + step, last)), at) for at in range(begin, last, step)
    ]
    return blocks[0] if len(blocks) == 1 else np.concatenate([*blocks, np.empty(0, np.float32)])

  def _block(self, begin: int, end: int) -> NDArray[np.float32]:
    return stored_form.from_stored(samples(self._data, self._header, begin, end))

  def count(self, max_frames: int | None = None) -> int:
    """Returns num_frames."""
    del max_frames
    return self.num_frames

  def close(self) -> None:
    """Nothing is held."""


def read_header(data: Bytes) -> Header | None:
  """Returns the header, or None for what is no WAV file or one that only libsndfile may judge.

  Raises:
    ClipError: `truncated` where the header promises more audio than there is, `no_samples` where
      there is none, `wrong_size` where more audio follows, `bad_rate` for a sample rate outside
      of [1000, 768000] Hz. A header that leaves the size open, as programs do that write to a pipe
      (0, 0xFFFFFFFF and the like), is no promise: the audio then ends where the file ends. So does
      one whose size wrapped at 4 GiB.
  """
  if len(data) < _RIFF.size:
    return None
  if isinstance(data, bytes) and (plain := plain_header(data)):
    recording.check_rate(plain.sample_rate_hz)
    return plain
  riff, riff_bytes, wave = _RIFF.unpack(data[: _RIFF.size])
  if riff != b'RIFF' or wave != b'WAVE':
    return None
  form: bytes | None = None
  for name, start, size in _chunks(data):
    if name == b'fmt ' and form is None:
      form = data[start : start + size]
    elif name == b'data':
      return _header(data, form, start, size) if form is not None else None
  if len(data) < 8 + riff_bytes < 0x7FFFF000:
    raise ClipError(
      'truncated', f'Wanted a file of {8 + riff_bytes} bytes, got {len(data)} and no audio.'
    )
  return None


def samples(
  data: Bytes, header: Header, begin: int = 0, end: int | None = None
) -> NDArray[np.int16]:
  """Returns the samples of a 16-bit PCM file, int16 [num_frames, channels]: a view of bytes.

  Args:
    data: The file; of ByteRanges, only the samples are read.
    header: What read_header made of it.
    begin: First frame.
    end: The frame behind the last; None for all.

  Raises:
    ClipError: `truncated` where the file ends before.
  """
  frame_bytes = 2 * header.num_channels
  last = header.num_frames if end is None else min(end, header.num_frames)
  start = header.data_offset_bytes + begin * frame_bytes
  wanted_bytes = max(0, last - begin) * frame_bytes
  if isinstance(data, bytes):
    values = np.frombuffer(data, '<i2', wanted_bytes // 2, start)
  else:
    held = data[start : start + wanted_bytes]
    if len(held) < wanted_bytes:
      raise ClipError('truncated', f'Wanted {wanted_bytes} bytes of audio, got {len(held)}.')
    values = np.frombuffer(held, '<i2')
  return values.reshape(-1, header.num_channels)


def with_size(data: Bytes, header: Header) -> Bytes:
  """Returns `data` with the size of the audio filled in, where the header left it open."""
  if not header.is_streamed:
    return data
  start = header.data_offset_bytes
  size = struct.pack('<I', min(header.data_bytes, 0xFFFFFFFF))
  if isinstance(data, bytes):
    return b''.join([data[: start - 4], size, memoryview(data)[start:]])
  return data.patched(start - 4, size)


def plain_header(data: bytes) -> Header | None:
  """Returns the header of a plain 16-bit PCM file, in a third of the time; None for all else.

  Plain are the 44 bytes that most programs write, with all of the rest as audio. The rate is not
  looked at.
  """
  if len(data) <= _PLAIN.size:
    return None
  riff, _, wave, fmt, fmt_bytes, tag, channels, rate_hz, _, frame_bytes, bits, name, data_bytes = (
    _PLAIN.unpack_from(data)
  )
  if not (
    (riff, wave, fmt, fmt_bytes) == (b'RIFF', b'WAVE', b'fmt ', _FORMAT.size)
    and (tag, bits, frame_bytes) == (PCM, 16, 2 * channels)
    and 1 <= channels <= _MAX_CHANNELS
    and (name, data_bytes) == (b'data', len(data) - _PLAIN.size)
  ):
    return None
  return Header(
    sample_rate_hz=rate_hz,
    num_channels=channels,
    is_pcm16=True,
    data_offset_bytes=_PLAIN.size,
    data_bytes=data_bytes,
    is_streamed=False,
  )


def _chunks(data: Bytes, position: int = _RIFF.size) -> Iterator[tuple[bytes, int, int]]:
  """Yields (name, start, declared size) of the chunks; a size may reach beyond the file."""
  while position + _CHUNK.size <= len(data):
    name, size = _CHUNK.unpack(data[position : position + _CHUNK.size])
    position += _CHUNK.size
    yield name, position, size
    position += size + size % 2  # Chunks begin at even places.


def _header(data: Bytes, form: bytes, start: int, declared: int) -> Header | None:
  if len(form) < _FORMAT.size:
    return None
  tag, channels, rate_hz, rate_bytes, frame_bytes, bits = _FORMAT.unpack_from(form)
  if not 1 <= channels <= _MAX_CHANNELS:
    return None
  recording.check_rate(rate_hz)
  held = len(data) - start
  is_streamed = _is_streamed(data, start, declared, max(1, frame_bytes))
  if declared > held and not is_streamed:
    raise ClipError(
      'truncated', f'Wanted {declared} bytes of audio, as the header says, got {held}.'
    )
  is_pcm16 = _is_pcm(tag, form) and bits == 16 and frame_bytes == 2 * channels
  data_bytes = held
  if not is_streamed:
    data_bytes = _size(data, start, declared, min(rate_bytes, rate_hz * frame_bytes))
    if data_bytes > declared and not is_pcm16:
      raise data_sizes.wrong_size(declared, data_bytes)
  if not data_bytes:
    raise ClipError('no_samples', 'Wanted samples, got a WAV header with none behind.')
  return Header(
    sample_rate_hz=rate_hz,
    num_channels=channels,
    is_pcm16=is_pcm16,
    data_offset_bytes=start,
    data_bytes=data_bytes,
    is_streamed=is_streamed,
  )


def _is_pcm(tag: int, form: bytes) -> bool:
  if tag != _EXTENSIBLE:
    return bool(tag == PCM)
  if len(form) < _FORMAT.size + _EXTENSION.size:
    return False
  _, valid_bits, _, subformat = _EXTENSION.unpack_from(form, _FORMAT.size)
  return bool(valid_bits == 16 and subformat == _PCM_SUBFORMAT)


def _is_streamed(data: Bytes, start: int, declared: int, frame_bytes: int) -> bool:
  """Whether `declared` is no size but a sign that it was not known."""
  if declared:
    is_sign = any(0 <= sign - declared < frame_bytes for sign in _OPEN_SIZES_BYTES)
    return is_sign and declared > len(data) - start
  # 0 is also an honest size, where nothing or whole chunks follow up to the end of the file.
  return not _are_chunks(data, start, padding_bytes=0)


def _size(data: Bytes, start: int, declared: int, rate_bytes: int) -> int:
  """Returns the size of the audio: as declared, or 4 GiB more of it if that many are there.

  Raises:
    ClipError: `wrong_size` where what lies behind is no chunk, and more than a moment of audio.
  """
  end = start + declared
  if len(data) - end <= data_sizes.TOLERANCE_S * rate_bytes or _are_chunks(data, end):
    return declared
  while (end := end + _WRAP_BYTES) <= len(data):
    if _are_chunks(data, end):
      return end - start
  raise data_sizes.wrong_size(declared, len(data) - start)


def _are_chunks(data: Bytes, end: int, **kwargs: int) -> bool:
  # Behind an odd size there is a byte of padding, which some programs forget.
  places = range(end, end + 1 + end % 2)
  return any(data_sizes.are_chunks(data, at, data_sizes.riff_chunk, **kwargs) for at in places)
