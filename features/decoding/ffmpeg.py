"""Decodes with FFmpeg what libsndfile cannot: M4A, MP4, WebM, WMA, AMR and hundreds more.

FFmpeg comes with PyAV (`av`), which is imported when the first such file is opened, and may be
missing: it is an extra, `media`. Of a file with several streams the first of audio is taken.

A file's other streams, links to other files and addresses of a network are never opened.
"""

import contextlib
import importlib.util
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.decoding import byte_ranges, deadline, levels, recording
from features.decoding.containers import data_sizes, joined
from schemas.rejects import ClipError

# How FFmpeg names the containers that say where each packet is, and how long the audio.
_MOV, _MATROSKA = 'mov', 'matroska'
# Containers whose header, or last page, says how long they are; of others FFmpeg only guesses.
_PROMISING = (
  _MOV,
  _MATROSKA,
  'asf',
  'ape',
  'wv',
  'tta',
  'tak',
  'ogg',
  'caf',
  'flv',
  'mpc8',
  'flac',
)

# A place further ahead is sought, and decoding begins so long before it: decoders remember.
_SEEK_S, _LEAD_IN_S = 10.0, 1.0
# What was decoded to count it is kept, up to so many samples, for whoever reads it next: 8 MiB.
_KEPT_VALUES = 1 << 21
# What encoders add at both ends is in the length that Matroska says. A cut is seen by its size.
_MATROSKA_TOLERANCE_S = 0.5
# A packet holds no more, of each channel: of hostile files, 16 million.
_MAX_PACKET_FRAMES = 1 << 20
# So many packets at the end may be damaged: the last is often cut, and tags look like packets.
_MAX_BAD_PACKETS = 2

# How it is seen that such a container is all of the file.
_CHECKS: dict[str, Callable[[byte_ranges.Bytes], None]] = {
  _MOV: joined.check_boxes,
  _MATROSKA: joined.check_segment,
  **dict.fromkeys(('ape', 'tta', 'tak', 'mpc8'), joined.check_alone),
}

# How long such files are that may be joined of several.
_TOTALS: dict[str, Callable[[byte_ranges.Bytes], float]] = {
  'ogg': joined.ogg_seconds,
  'flac': joined.flac_seconds,
}

# Protocols that FFmpeg may open for a playlist and the like: none is called so.
_OPTIONS = {'protocol_whitelist': 'none'}

# Beginnings of files that FFmpeg knows and libsndfile does not: (place, bytes).
_MAGIC = (
  (4, b'ftyp'), (4, b'moov'), (4, b'mdat'), (0, b'\x1a\x45\xdf\xa3'),
  (0, b'\x30\x26\xb2\x75\x8e\x66\xcf\x11'), (0, b'#!AMR'), (0, b'wvpk'), (0, b'MAC '),
  (0, b'\x0b\x77'), (0, b'TTA1'), (0, b'tBaK'), (0, b'FLV\1'), (8, b'AVI '), (0, b'MPCK'),
  (0, b'MP+'), (0, b'DSD '), (0, b'.RMF'), (0, b'.ra\xfd'), (0, b'ajkg'), (0, b'OggS'),
  (0, b'\x7f\xfe\x80\x01'), (0, b'\xff\xf1'), (0, b'\xff\xf9'), (0, b'\0\0\1\xba'),
)  # fmt: skip

# Number of the first frame, float32 [frames, channels].
_Block = tuple[int, NDArray[np.float32]]

# Sample formats of integers -> (zero, full scale), as libsndfile has them.
_INTEGERS = {'u1': (128, 128), 'i2': (0, 1 << 15), 'i4': (0, 1 << 31), 'i8': (0, 1 << 63)}


def is_installed() -> bool:
  """Whether there is FFmpeg here."""
  return importlib.util.find_spec('av') is not None


def open_instead(data: byte_ranges.Bytes, limit: deadline.Deadline, error: ClipError) -> 'Decoder':
  """Returns the recording in a file that libsndfile refused.

  Args:
    data: The file.
    limit: When decoding has to be done.
    error: Why libsndfile refused it, which is what is said where FFmpeg knows no better.

  Raises:
    ClipError: that one; `no_decoder` where FFmpeg would know the format and is not installed;
      `no_sound`, `truncated`, `bad_rate`, `too_slow`.
  """
  data_sizes.check(data)
  if is_installed():
    decoder = Decoder(data, limit)
    if decoder.open():
      return decoder
    if error.reason == 'not_audio' and is_media(data):
      raise ClipError(
        'truncated',
        f'Wanted a whole file of its format, got one that begins like it: {decoder.said}.',
      )
  elif error.reason == 'not_audio' and is_media(data):
    raise ClipError(
      'no_decoder',
      f'Wanted a format that libsndfile knows, or PyAV, got {len(data)} bytes that begin with '
      f'{data[:12]!r}, and no PyAV.',
    ) from error
  raise error


def is_media(data: byte_ranges.Bytes) -> bool:
  """Whether a file begins like one of FFmpeg's."""
  head = data[:16]
  return any(head[at : at + len(magic)] == magic for at, magic in _MAGIC)


class Decoder(recording.Recording):
  """A recording in any format that FFmpeg recognises.

  Frames are counted as they are decoded. Only of MP4 and Matroska, which say where each packet
  belongs, a place far ahead is sought.

  Attributes:
    said: Why FFmpeg did not open the file, in its words.
  """

  def __init__(self, data: byte_ranges.Bytes, limit: deadline.Deadline) -> None:
    """Takes a whole file, which `open` opens."""
    self._data = data
    self._limit = limit
    self._container: Any = None
    self._kept: list[_Block] | None = None
    self._blocks: Iterator[_Block] = iter(())
    self._first: _Block | None = None
    # Where what was read last ended, the block there, and what comes behind it.
    self._reached: tuple[int, list[_Block], Iterator[_Block]] | None = None
    self.said = ''
    self.num_frames = None
    self.sample_rate_hz = 0

  def open(self) -> bool:
    """Opens the file; False where FFmpeg does not know its format.

    Raises:
      ClipError: `no_decoder` where what is installed is broken; `no_sound`, `truncated`,
        `bad_rate`, `too_slow`.
    """
    try:
      import av
    except ImportError as error:
      if not is_media(self._data):
        return False
      raise ClipError(
        'no_decoder', f'Wanted PyAV, and it cannot be loaded here: {error}'
      ) from error

    self._errors = (av.error.FFmpegError, ValueError, ArithmeticError, LookupError, RuntimeError)
    try:
      with _memory():
        return self._opened()
    except ClipError:
      self.close()
      raise

  def _opened(self) -> bool:
    if not self._reopen():
      return False
    self._expected_s = self._promised_s()
    self._check_table()
    self._packet_s = 0.0
    table_s = self._seconds_by_table()
    self._first = next(self._blocks, None)
    if self._first is None:
      raise self._stopped('no packet of audio could be decoded')
    recording.check_rate(self.sample_rate_hz)
    if table_s:
      self.num_frames = round(table_s * self.sample_rate_hz)
    return True

  @property
  def coding(self) -> str:  # type: ignore[override]  # Known when it is open.
    """Container and coding, such as `mov, aac`."""
    return f'{self._format}, {self._codec}'

  def read(self, begin: int, end: int) -> NDArray[np.float32]:
    """Returns what is heard, float32 [end - begin]; see recording.Recording."""
    with _memory():
      return self._read(begin, end)

  def _read(self, begin: int, end: int) -> NDArray[np.float32]:
    last = end if self.num_frames is None else min(end, self.num_frames)
    parts = []
    held, following = self._following(begin)
    for at, frames in itertools.chain(held, following):
      if at < last:
        part = frames[max(0, begin - at) : last - at]
        parts.append(self.heard(part, max(begin, at)))
      if at + len(frames) >= last:
        self._reached = (last, [(at, frames)], following)
        break
    found = np.concatenate([*parts, np.empty(0, np.float32)])
    missing = last - begin - len(found)
    # Of the last packet of a table, a part may be padding.
    tolerance_s = data_sizes.TOLERANCE_S + self._packet_s
    if self.num_frames is not None and missing > tolerance_s * self.sample_rate_hz:
      raise recording.truncated(self.num_frames, self.num_frames - missing)
    return found

  def count(self, max_frames: int | None = None) -> int:
    """Returns the number of frames; see recording.Recording."""
    if self.num_frames is not None:
      return self.num_frames
    with _memory():
      return self._count(max_frames)

  def _count(self, max_frames: int | None) -> int:
    if scanned := self._scanned():
      self.num_frames = scanned
      return scanned
    kept: list[_Block] | None = []
    num_frames = num_values = 0
    for at, frames in self._from(0):
      num_frames = at + len(frames)
      if kept is not None:
        kept.append((at, frames))
      num_values += frames.size
      if num_values > _KEPT_VALUES:
        kept = None
      if max_frames is not None and num_frames > max_frames:
        return num_frames
    self._check_end(num_frames)
    self._kept = kept
    self.num_frames = num_frames
    return num_frames

  def close(self) -> None:
    """Closes FFmpeg's file, and not what it was opened on."""
    if self._container is not None:
      self._container.close()
      self._container = None

  def _reopen(self) -> bool:
    """Stands at the beginning; False where FFmpeg does not know the format."""
    import av

    self.close()
    self._source = byte_ranges.File(self._data, self._limit)
    try:
      self._container = av.open(
        self._source, metadata_errors='replace', options=dict(_OPTIONS), mode='r'
      )
    except self._errors as error:
      self._raise_kept()
      self.said = _said(error)
      return False
    self._format = self._container.format.name.partition(',')[0]
    if self._format in _CHECKS:
      _CHECKS[self._format](self._data)
    streams = self._container.streams.audio
    if not streams:
      raise ClipError('no_sound', f'Wanted a stream of audio, got {self._format} without one.')
    self._stream = streams[0]
    codec = self._stream.codec_context
    if codec is None:
      raise ClipError('not_audio', f'Wanted a coding that FFmpeg knows, got {self._format}.')
    codec.thread_count = 1  # It decodes in this thread, whose time is counted.
    codec.options = {**codec.options, 'max_samples': str(_MAX_PACKET_FRAMES)}
    self._codec = codec.name
    # Codecs that lose something give floats too, on a scale of their own.
    self.sample_coding = levels.Coding(is_float=codec.name.startswith('pcm_f'))
    self._start_s: float | None = None
    self._reached_s = 0.0
    self._first = None
    self._reached = None
    self._blocks = self._decoded(0)
    return True

  def _following(self, begin: int) -> tuple[list[_Block], Iterator[_Block]]:
    """Returns the blocks from `begin` on: what was decoded and not read, and what comes then."""
    if self._kept is not None:
      return [], iter(self._kept)
    if self._reached is not None and self._reached[0] == begin:
      return self._reached[1:]
    return [], self._from(begin)

  def _from(self, begin: int) -> Iterator[_Block]:
    """Yields (number of the first, frames) of blocks, of which the first holds `begin` or more."""
    can_seek = self._format in (_MOV, _MATROSKA) and self._start_s is not None
    if can_seek and begin > _SEEK_S * self.sample_rate_hz:
      yield from self._sought(begin)
      return
    if self._first is None:
      self._reopen()
      self._first = next(self._blocks, None)
    first, self._first = self._first, None
    if first is not None:
      yield first
    yield from self._blocks

  def _sought(self, begin: int) -> Iterator[_Block]:
    start_s = self._start_s or 0.0
    self._reopen()
    at_s = start_s + begin / self.sample_rate_hz - _LEAD_IN_S
    try:
      self._container.seek(int(at_s / self._stream.time_base), stream=self._stream)
    except self._errors as error:
      raise self._stopped(str(error)) from error
    self._start_s = start_s
    blocks = self._decoded(None)
    first = next(blocks, None)
    if first is None or first[0] > begin:
      # Found behind it, or nothing: from the beginning.
      self._reopen()
      yield from self._blocks
      return
    yield first
    yield from blocks

  def _decoded(self, position: int | None) -> Iterator[_Block]:
    """Yields (number of the first, float32 [frames, channels]) of all that comes.

    Args:
      position: Number of the first frame; None where its time tells, and decoders that were thrown
        in may complain until they find their feet.
    """
    num_bad, said = 0, ''
    for packet in self._packets():
      if packet is None:
        num_bad, said = num_bad + (position is not None), 'a damaged packet'
        continue
      self._limit.check()
      try:
        frames = packet.decode()
      except self._errors as error:
        self._raise_kept()
        num_bad, said = num_bad + (position is not None), _said(error)
        continue
      for frame in frames:
        if frame.is_corrupt and position is not None:
          num_bad, said = num_bad + 1, 'a damaged packet'
          continue
        if num_bad:
          raise self._stopped(said, position)
        self._check_rate(frame, position)
        if position is None:
          position = self._number_of(frame)
          if position is None:
            return
        block = self._samples(frame)
        recording.check_finite(block, position, self.sample_rate_hz)
        yield position, block
        position += len(block)
    if num_bad > _MAX_BAD_PACKETS or (num_bad and not position):
      raise self._stopped(said, position)

  def _packets(self) -> Iterator[Any]:
    """Yields the packets of the stream; None for a place where there is none, but damage."""
    packets = self._container.demux(self._stream)
    num_bad = 0
    while True:
      try:
        packet = next(packets, None)
      except self._errors as error:
        self._raise_kept()
        num_bad += 1
        if num_bad > _MAX_BAD_PACKETS:
          raise self._stopped(_said(error)) from error
        yield None
        packets = self._container.demux(self._stream)
        continue
      self._raise_kept()
      if packet is None:
        return
      num_bad = 0
      if packet.pts is not None:
        end = packet.pts + (packet.duration or 0)
        self._reached_s = max(self._reached_s, float(end * packet.time_base))
      yield packet

  def _samples(self, frame: Any) -> NDArray[np.float32]:
    """Returns a decoded frame as float32 [frames, channels]."""
    try:
      values = frame.to_ndarray()
    except self._errors as error:
      raise self._stopped(_said(error)) from error
    num_channels = len(frame.layout.channels) or 1
    values = values.T if frame.format.is_planar else values.reshape(-1, num_channels)
    zero, scale = _INTEGERS.get(values.dtype.str[1:], (0, 1))
    block: NDArray[np.float32] = np.ascontiguousarray(values, np.float32)
    if zero:
      block = block - np.float32(zero)
    return block if scale == 1 else block / np.float32(scale)

  def _check_rate(self, frame: Any, position: int | None) -> None:
    if not self.sample_rate_hz:
      self.sample_rate_hz = frame.sample_rate
    if frame.sample_rate != self.sample_rate_hz:
      raise ClipError(
        'bad_rate',
        f'Wanted one rate, got {self.sample_rate_hz} Hz and, after '
        f'{(position or 0) / self.sample_rate_hz:.6g} s, {frame.sample_rate} Hz.',
      )
    if self._start_s is None and frame.pts is not None and frame.time_base:
      self._start_s = float(frame.pts * frame.time_base)

  def _number_of(self, frame: Any) -> int | None:
    if frame.pts is None or not frame.time_base:
      return None
    at_s = float(frame.pts * frame.time_base) - (self._start_s or 0.0)
    return max(0, round(at_s * self.sample_rate_hz))

  def _promised_s(self) -> float:
    """Returns how long the header says that the audio is; 0 where it does not."""
    if self._format not in _PROMISING:
      return 0.0
    if self._format in _TOTALS and (all_s := _TOTALS[self._format](self._data)):
      return all_s
    stream = self._stream
    if stream.duration:
      return float(stream.duration * stream.time_base)
    if tagged := _seconds(str(stream.metadata.get('DURATION', ''))):
      return tagged
    # Of several streams another may be the longest.
    is_alone = len(self._container.streams) == 1
    return (self._container.duration or 0) / 1e6 if is_alone else 0.0

  def _check_table(self) -> None:
    """Raises ClipError (`truncated`) where a table of packets reaches beyond the file."""
    if self._format != _MOV or not len(self._stream.index_entries):
      return
    last = self._stream.index_entries[-1]
    if last.pos + last.size > len(self._data):
      raise ClipError(
        'truncated',
        f'Wanted a file of {last.pos + last.size} bytes, as its table says, got {len(self._data)}.',
      )

  def _seconds_by_table(self) -> float:
    """Returns how long a long file is by the table of its packets; 0 where there is none.

    Short ones are decoded to count. A table that does not reach to the promised end is that of a
    file in fragments.
    """
    table = self._stream.index_entries
    if self._format != _MOV or len(table) < 2 or self._expected_s < _SEEK_S:
      return 0.0
    last_s, before_s = (float(table[i].timestamp * self._stream.time_base) for i in (-1, -2))
    self._packet_s = max(0.0, last_s - before_s)
    is_whole = last_s <= self._expected_s <= last_s + _LEAD_IN_S
    return last_s + self._packet_s if is_whole else 0.0

  def _scanned(self) -> int:
    """Returns how many frames the packets of a long Matroska file say that they hold, or 0.

    Short ones are decoded to count, and so are those with gaps.
    """
    if self._format != _MATROSKA or self._expected_s < _SEEK_S or self._start_s is None:
      return 0
    total_s, start_s, end_s = 0.0, math.inf, 0.0
    first_s = self._start_s
    self._reopen()
    self._start_s = first_s  # For whoever seeks then.
    for packet in self._packets():
      self._limit.check()
      if packet is None:
        return 0
      if packet.pts is None:
        continue
      if not packet.duration:
        return 0
      duration_s = float(packet.duration * packet.time_base)
      total_s += duration_s
      start_s = min(start_s, float(packet.pts * packet.time_base))
      end_s = max(end_s, float(packet.pts * packet.time_base) + duration_s)
    is_gapless = abs(end_s - start_s - total_s) <= 2e-4 * total_s + data_sizes.TOLERANCE_S
    num_frames = round((end_s - start_s) * self.sample_rate_hz) if is_gapless else 0
    if num_frames:
      self._check_end(num_frames)
    return num_frames

  def _check_end(self, num_frames: int) -> None:
    """Raises ClipError (`truncated`) where less was found than is promised."""
    reached_s = max(num_frames / self.sample_rate_hz, self._reached_s)
    tolerance_s = _MATROSKA_TOLERANCE_S if self._format == _MATROSKA else data_sizes.TOLERANCE_S
    if self._expected_s - reached_s > tolerance_s:
      raise ClipError(
        'truncated',
        f'Wanted {self._expected_s:.6g} s, as the header says, got '
        f'{num_frames / self.sample_rate_hz:.6g} s.',
      )

  def _stopped(self, said: str, position: int | None = None) -> ClipError:
    rate_hz = self.sample_rate_hz
    after = f' after {position / rate_hz:.6g} s' if position and rate_hz else ''
    return ClipError(
      'truncated', f'Wanted audio up to the end, but decoding stopped{after}: {said}.'
    )

  def _raise_kept(self) -> None:
    if self._source.error is not None:
      raise self._source.error


@contextlib.contextmanager
def _memory() -> Iterator[None]:
  """Turns into a ClipError that FFmpeg does not get the memory that a damaged header asks for."""
  try:
    yield
  except MemoryError as error:
    raise ClipError('unreadable', 'FFmpeg wanted more memory for the file than it got.') from error


def _said(error: BaseException) -> str:
  """Returns FFmpeg's words, without the names of its functions."""
  return str(getattr(error, 'strerror', None) or error).rstrip('.')


def _seconds(text: str) -> float:
  """Returns the seconds of such as 00:01:02.5; 0 for what is none."""
  try:
    hours, minutes, seconds = text.replace('\0', '').split(':')
    return 3_600 * int(hours) + 60 * int(minutes) + float(seconds)
  except ValueError:
    return 0.0
