"""Counts the frames of MPEG audio (MP3), which libsndfile guesses where nobody wrote their number.

A file is a row of frames, each of which says how long it is. A first frame without sound (`Xing`,
`Info`, `VBRI`) may say how many there are, in how many bytes; in files that were cut, or put
together from several, it is wrong.

Source: ISO/IEC 11172-3 and 13818-3, section 2.4.2.3 (header); Gabriel Bouvigne, MP3 Info Tag
revision 1 specification; for VBRI, Fraunhofer's layout: bytes at 10 and frames at 14 behind it.
"""

import dataclasses
import struct

from features.decoding import deadline
from features.decoding.byte_ranges import Bytes

LAYER_3 = 1
_SYNC = 0x7FF
# Of a header: sync, version, layer and rate, which all frames of a file have in common.
_KIND = 0xFFFE0C00
_VERSION_1 = 3

_LAYER_1_KBPS = (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_LAYER_2_KBPS = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LAYER_3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW_RATE_1_KBPS = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_LOW_RATE_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = (44_100, 48_000, 32_000)
# Version bits -> what divides the rate.
_RATE_DIVISORS = {_VERSION_1: 1, 2: 2, 0: 4}

# So much is read at a time of a file that is not in memory.
_BLOCK_BYTES = 1 << 20
# Where the first frame begins, at most so far behind tags.
_MAX_START_BYTES = 1 << 16
_TAG_BYTES = 256  # The count lies in so many bytes of the first frame.
_ID3_V1_BYTES = 128


@dataclasses.dataclass(frozen=True)
class Header:
  """What the four bytes of a frame's header say.

  Attributes:
    bits: They themselves.
    layer: 1, 2 or 3 bits as they stand: LAYER_3 is layer III.
    sample_rate_hz: Samples per second.
    num_bytes: Length of the frame.
    num_samples: Samples of a channel in it.
  """

  bits: int
  layer: int
  sample_rate_hz: int
  num_bytes: int
  num_samples: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
  """A row of frames.

  Attributes:
    first: Header of the first frame.
    start: Where it begins.
    promised_frames: How many frames with sound the count promises; 0 where there is no count.
    promised_bytes: In how many bytes, from `start` on; 0 where it does not say.
  """

  first: Header
  start: int
  promised_frames: int = 0
  promised_bytes: int = 0

  def is_consistent(self, data: Bytes) -> bool:
    """Whether the count fits the size of the file: so it is neither cut nor put together."""
    if not (self.promised_frames and self.promised_bytes):
      return False
    end = len(data)
    if data[end - _ID3_V1_BYTES : end - _ID3_V1_BYTES + 3] == b'TAG':
      end -= _ID3_V1_BYTES
    off = abs(self.start + self.promised_bytes - end)
    # Writers differ in whether the frame of the count is in it.
    return off <= max(self.first.num_bytes, 2 * self.promised_bytes / self.promised_frames)


def parse_header(bits: int) -> Header | None:
  """Returns a frame's header, or None for what is none, or does not say its bit rate."""
  version, layer = bits >> 19 & 3, bits >> 17 & 3
  kbps_index, rate_index = bits >> 12 & 15, bits >> 10 & 3
  if bits >> 21 != _SYNC or version == 1 or not layer or rate_index == 3:
    return None
  if kbps_index in (0, 15):
    return None
  rate_hz = _RATES_HZ[rate_index] // _RATE_DIVISORS[version]
  is_first_version = version == _VERSION_1
  if is_first_version:
    table = {3: _LAYER_1_KBPS, 2: _LAYER_2_KBPS}.get(layer, _LAYER_3_KBPS)
  else:
    table = _LOW_RATE_1_KBPS if layer == 3 else _LOW_RATE_KBPS
  bit_rate = 1_000 * table[kbps_index - 1]
  padding = bits >> 9 & 1
  if layer == 3:
    return Header(bits, layer, rate_hz, 4 * (12 * bit_rate // rate_hz + padding), 384)
  num_samples = 1152 if layer == 2 or is_first_version else 576
  num_bytes = num_samples // 8 * bit_rate // rate_hz + padding
  return Header(bits, layer, rate_hz, num_bytes, num_samples)


def find(data: Bytes) -> Stream | None:
  """Returns where the frames begin, and what a count in the first promises; None if none do."""
  start = _behind_id3(data)
  head = data[start : start + _MAX_START_BYTES]
  at = head.find(b'\xff')
  while 0 <= at <= len(head) - 4:
    first = parse_header(int.from_bytes(head[at : at + 4], 'big'))
    if first and _follows(data, start + at, first):
      return _stream(data, start + at, first)
    at = head.find(b'\xff', at + 1)
  return None


def count(data: Bytes, stream: Stream, limit: deadline.Deadline) -> tuple[int, int]:
  """Returns how many frames with sound there are, and where the last one ends.

  Only whole frames count. Junk between them is passed over, as decoders do it.

  Raises:
    ClipError: `too_slow`; `unreadable`.
  """
  num_frames = -1 if stream.promised_frames else 0  # Without that of the count.
  kind, total = stream.first.bits & _KIND, len(data)
  lengths: dict[int, int] = {}
  position = end = stream.start
  base, block = 0, b''
  while position + 4 <= total:
    if not base <= position <= base + len(block) - 4:
      limit.check()
      base, block = position, data[position : position + _BLOCK_BYTES]
    bits = int.from_bytes(block[position - base : position - base + 4], 'big')
    num_bytes = lengths.get(bits)
    if num_bytes is None:
      header = parse_header(bits) if bits & _KIND == kind else None
      num_bytes = lengths[bits] = header.num_bytes if header else 0
      if len(lengths) > 1 << 12:  # Junk.
        lengths.clear()
    if not num_bytes:
      position = _resynchronized(data, position + 1, kind, limit)
      continue
    position += num_bytes
    if position > total:
      break
    num_frames += 1
    end = position
  return max(0, num_frames), end


def counted(data: Bytes, stream: Stream, num_frames: int, end: int) -> tuple[bytes, int, int]:
  """Returns (prefix, start, stop): prefix + data[start:stop] is the file with a right count."""
  first = stream.first
  kind = first.bits & ~(0xF << 12 | 1 << 9) | 1 << 16  # No padding and no checksum.
  start = stream.start + (first.num_bytes if stream.promised_frames else 0)
  # The smallest frame that holds the count; all of the layer do from 64 kbit/s on.
  header = next(h for i in range(3, 15) if (h := parse_header(kind | i << 12)) and h.num_bytes > 64)
  is_mono = first.bits >> 6 & 3 == 3
  is_first_version = first.bits >> 19 & 3 == _VERSION_1
  side_bytes = (17 if is_mono else 32) if is_first_version else (9 if is_mono else 17)
  num_bytes = header.num_bytes + end - start
  tag = struct.pack('>4sIII', b'Xing', 3, num_frames, min(num_bytes, 0xFFFFFFFF))
  prefix = header.bits.to_bytes(4, 'big') + bytes(side_bytes) + tag
  return prefix.ljust(header.num_bytes, b'\0'), start, end


def _stream(data: Bytes, start: int, first: Header) -> Stream:
  head = data[start : start + min(first.num_bytes, _TAG_BYTES)]
  for name in (b'Xing', b'Info'):
    at = head.find(name)
    if 0 < at <= 40 and len(head) >= at + 16:
      flags, *numbers = struct.unpack_from('>III', head, at + 4)
      frames = numbers.pop(0) if flags & 1 else 0
      num_bytes = numbers.pop(0) if flags & 2 else 0
      return Stream(first=first, start=start, promised_frames=frames, promised_bytes=num_bytes)
  at = head.find(b'VBRI')
  if 0 < at <= 40 and len(head) >= at + 18:
    num_bytes, frames = struct.unpack_from('>II', head, at + 10)
    return Stream(first=first, start=start, promised_frames=frames, promised_bytes=num_bytes)
  return Stream(first=first, start=start)


def _behind_id3(data: Bytes) -> int:
  """Returns where the tags at the beginning end."""
  start = 0
  # Ten bytes, the last four of them the size, seven bits each.
  while (head := data[start : start + 10])[:3] == b'ID3' and len(head) == 10:
    sizes = zip(head[6:10], (21, 14, 7, 0), strict=True)
    start += 10 + sum((byte & 0x7F) << shift for byte, shift in sizes)
  return start


def _follows(data: Bytes, start: int, header: Header) -> bool:
  """Whether behind a frame comes another of its kind, or the end of the file."""
  behind = data[start + header.num_bytes : start + header.num_bytes + 4]
  if len(behind) < 4:
    return start + header.num_bytes <= len(data)
  bits = int.from_bytes(behind, 'big')
  return bits & _KIND == header.bits & _KIND and parse_header(bits) is not None


def _resynchronized(data: Bytes, position: int, kind: int, limit: deadline.Deadline) -> int:
  """Returns where the next frame begins, from a position on; the end if none does."""
  while block := data[position : position + _BLOCK_BYTES]:
    limit.check()
    at = block.find(b'\xff')
    while 0 <= at <= len(block) - 4:
      header = parse_header(int.from_bytes(block[at : at + 4], 'big'))
      if header and header.bits & _KIND == kind and _follows(data, position + at, header):
        return position + at
      at = block.find(b'\xff', at + 1)
    if len(block) < 4:
      break
    position += len(block) - 3
  return len(data)
