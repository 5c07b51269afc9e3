"""Files that hold more than the one stream that a decoder reads of them.

Such are files that were put together with `cat`, the recordings of some radio programs, and FLAC
files whose writer ended before it wrote the right number of samples. libsndfile reads the first
stream of Ogg and FLAC, FFmpeg that of MP4 and of a Matroska file with a size.

Source: RFC 3533, section 6, for Ogg; RFC 9639, sections 8.2 and 9.1, for FLAC; ISO/IEC 14496-12,
section 4.2, for MP4; RFC 8794, section 4 and 6, for Matroska.
"""

from collections.abc import Iterator

from features.decoding.byte_ranges import Bytes
from schemas.rejects import ClipError

_OGG_HEADER_BYTES = 27
_FIRST_PAGE = 2
# The last page of an Ogg file lies in so many bytes at its end: two pages of the largest size.
OGG_TAIL_BYTES = 2 * 65_307
# So much at the end of a file is looked at, more if there was nothing.
_TAILS_BYTES = (1 << 13, 1 << 15, OGG_TAIL_BYTES)
_MAGIC_BYTES = 6  # Four that name the format, and its version.
_MAX_BOXES = 10_000
_EBML, _SEGMENT = b'\x1a\x45\xdf\xa3', b'\x18\x53\x80\x67'
_SEGMENT_BYTES = 1 << 12  # In which it begins.
_FLAC_START = b'fLaC\0\0\0\x22'
_FLAC_HEADER_BYTES = 16
_FLAC_MAX_CODED_BYTES = 7
_CRC8 = 0x07


def check_ogg(data: Bytes) -> None:
  """Raises ClipError where an Ogg file is not the one whole stream that libsndfile reads.

  That is `in_part` where a further stream begins behind the first, `truncated` where the last page
  is not whole.
  """
  if isinstance(data, bytes):
    num_streams = len(list(_ogg_links(data)))
  else:
    # By its last page alone: to walk from page to page would read all of a recording.
    serials = (tail[at + 14 : at + 18] for tail in _tails(data) if (at := tail.rfind(b'OggS')) >= 0)
    num_streams = 1 + (next(serials, b'') not in (b'', *_first_serials(data)))
  if num_streams > 1:
    raise in_part(f'{num_streams} streams of Ogg, one behind another')


def check_flac(data: Bytes, num_frames: int) -> None:
  """Raises ClipError (`in_part`) where more samples lie behind those that the header counts."""
  first = _first_flac_frame(data)
  head = data[first : first + _FLAC_HEADER_BYTES]
  if not first or len(head) < 4:
    return
  if isinstance(data, bytes) and data.find(_FLAC_START, first) >= 0:
    raise in_part('two files of FLAC, one behind the other')
  fixed_block = int.from_bytes(data[8:10], 'big')
  end = next(
    filter(None, (_end_of_last_frame(tail, head, fixed_block) for tail in _tails(data))), 0
  )
  if end > num_frames:
    raise in_part(f'{end} samples of FLAC, of which the header counts {num_frames}')


def check_alone(data: Bytes) -> None:
  """Raises ClipError (`in_part`) where the file's first bytes stand in it once more."""
  if isinstance(data, bytes) and data.find(data[:_MAGIC_BYTES], _MAGIC_BYTES) > 0:
    raise in_part('two files, one behind the other')


def check_boxes(data: Bytes) -> None:
  """Raises ClipError where an MP4 file is not one whole file.

  That is `in_part` where there is a second table of packets, `truncated` where less is there than
  the boxes say.
  """
  num_tables, position = 0, 0
  for _ in range(_MAX_BOXES):
    head = data[position : position + 16]
    if len(head) < 8:
      break
    size = int.from_bytes(head[:4], 'big')
    num_tables += head[4:8] == b'moov'
    size = int.from_bytes(head[8:16], 'big') if size == 1 else size
    if size < 8:  # 0: up to the end.
      break
    position += size
  if position > len(data):
    raise ClipError('truncated', f'Wanted a file of {position} bytes, got {len(data)}.')
  if num_tables > 1:
    raise in_part(f'{num_tables} files of MP4, one behind another')


def check_segment(data: Bytes) -> None:
  """Raises ClipError where a Matroska file is not the one segment whose size it says.

  That is `in_part` where another file follows, `truncated` where less is there.
  """
  head = data[:_SEGMENT_BYTES]
  size, used = _ebml_size(head[4:])
  start = 4 + used + size
  if not used or head[start : start + 4] != _SEGMENT:
    return
  size, used = _ebml_size(head[start + 4 :])
  end = start + 4 + used + size
  # A size of ones only says that it was not known.
  if not used or size == (1 << 7 * used) - 1:
    return
  if end > len(data):
    raise ClipError('truncated', f'Wanted a file of {end} bytes, got {len(data)}.')
  if data[end : end + 4] == _EBML:
    raise in_part('two files of Matroska, one behind the other')


def in_part(held: str) -> ClipError:
  """Returns the error of a file of which libsndfile would take a part without a word."""
  return ClipError('in_part', f'Wanted one stream with its length, got {held}.')


def _ebml_size(data: bytes) -> tuple[int, int]:
  """Returns a size of EBML and its length in bytes; (0, 0) for none."""
  if not data or not data[0]:
    return 0, 0
  used = 9 - data[0].bit_length()
  return int.from_bytes(data[:used], 'big') & (1 << 7 * used) - 1, used


def _tails(data: Bytes) -> Iterator[bytes]:
  """Yields longer and longer ends of a file."""
  for num_bytes in _TAILS_BYTES:
    yield data[max(0, len(data) - num_bytes) :]
    if num_bytes >= len(data):
      return


def ogg_seconds(data: Bytes) -> float:
  """Returns how long all streams of an Ogg file are together; 0 where that is not known."""
  if not isinstance(data, bytes):
    return 0.0
  total_s = 0.0
  for head, last in _ogg_links(data):
    rate_hz, skipped = 0, 0
    if head[:8] == b'OpusHead':
      rate_hz, skipped = 48_000, int.from_bytes(head[10:12], 'little')
    elif head[:7] == b'\x01vorbis':
      rate_hz = int.from_bytes(head[12:16], 'little')
    elif head[:8] == b'Speex   ':
      rate_hz = int.from_bytes(head[36:40], 'little')
    if not rate_hz:
      return 0.0
    total_s += max(0, last - skipped) / rate_hz
  return total_s


def flac_seconds(data: Bytes) -> float:
  """Returns how long joined files of FLAC say that they are together; 0 where that is not known."""
  if not isinstance(data, bytes):
    return 0.0
  total_s, at = 0.0, data.find(_FLAC_START)
  while at >= 0 and at + 26 <= len(data):
    rate_hz = int.from_bytes(data[at + 18 : at + 21], 'big') >> 4
    num_samples = int.from_bytes(data[at + 21 : at + 26], 'big') & (1 << 36) - 1
    total_s += num_samples / rate_hz if rate_hz else 0.0
    at = data.find(_FLAC_START, at + 1)
  return total_s


def _ogg_links(data: bytes) -> Iterator[tuple[bytes, int]]:
  """Yields the streams that stand one behind another: first packet, number of the last frame.

  Streams that begin in pages in a row go on together: they are one link.

  Raises:
    ClipError: `truncated` where the last page is not whole.
  """
  head, last, position, was_first = b'', 0, 0, False
  while (position := data.find(b'OggS', position)) >= 0:
    lengths = data[
      position + 27 : position + 27 + (data[position + 26 : position + 27] or b'\0')[0]
    ]
    start = position + 27 + len(lengths)
    if start + sum(lengths) > len(data):
      raise ClipError(
        'truncated',
        f'Wanted a whole last Ogg page of {sum(lengths)} bytes, got {len(data) - start}.',
      )
    is_first = bool(data[position + 5] & _FIRST_PAGE)
    if is_first and not was_first:
      if head:
        yield head, last
      head, last = data[start : start + 64], 0
    granule = int.from_bytes(data[position + 6 : position + 14], 'little', signed=True)
    last = max(last, granule)
    was_first = is_first
    position = start + sum(lengths)
  if head:
    yield head, last


def _first_serials(data: Bytes) -> list[bytes]:
  """Returns the numbers of the streams that begin at the beginning."""
  serials, position = [], 0
  while (head := data[position : position + 282])[:4] == b'OggS' and len(head) > 27:
    if not head[5] & _FIRST_PAGE:
      break
    serials.append(head[14:18])
    position += 27 + head[26] + sum(head[27 : 27 + head[26]])
  return serials


def _first_flac_frame(data: Bytes) -> int:
  """Returns where the audio begins, behind the blocks of metadata; 0 where that is not known."""
  position, head = 4, data[:8]
  if head[:4] != b'fLaC':
    return 0
  is_last = False
  while not is_last:
    block = data[position : position + 4]
    if len(block) < 4:
      return 0
    is_last = bool(block[0] & 0x80)
    position += 4 + int.from_bytes(block[1:], 'big')
  return position


def _end_of_last_frame(tail: bytes, first: bytes, fixed_block: int) -> int:
  """Returns the number of the sample behind the last frame; 0 where none is found.

  Args:
    tail: The end of the file.
    first: The header of the first frame, which the others are like.
    fixed_block: Samples of a frame where all have as many.
  """
  at = tail.rfind(first[:2])
  while at >= 0:
    head = tail[at : at + _FLAC_HEADER_BYTES]
    if len(head) >= 6 and not (head[2] ^ first[2]) & 0x0F and not (head[3] ^ first[3]) & 0x0F:
      if end := _frame_end(head, fixed_block):
        return end
    at = tail.rfind(first[:2], 0, at)
  return 0


def _frame_end(head: bytes, fixed_block: int) -> int:
  """Returns the number of the sample behind a FLAC frame; 0 for what is no frame's header."""
  block_code, rate_code = head[2] >> 4, head[2] & 15
  number, used = _coded_number(head[4:])
  at = 4 + used
  if block_code == 1:
    block = 192
  elif block_code <= 5:
    block = 576 << max(0, block_code - 2)
  elif block_code >= 8:
    block = 256 << block_code - 8
  else:
    width = block_code - 5
    block = 1 + int.from_bytes(head[at : at + width], 'big')
    at += width
  at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
  if not (block_code and used) or at >= len(head) or _crc8(head[:at]) != head[at]:
    return 0
  return number + block if head[1] & 1 else number * fixed_block + block


def _coded_number(data: bytes) -> tuple[int, int]:
  """Returns a number that is coded as UTF-8 codes characters, and its length; (0, 0) for none."""
  first = data[0]
  if first < 0x80:
    return first, 1
  used = 8 - (first ^ 0xFF).bit_length()
  if not 2 <= used <= _FLAC_MAX_CODED_BYTES or len(data) < used:
    return 0, 0
  number = first & (1 << 7 - used) - 1
  for byte in data[1:used]:
    if byte & 0xC0 != 0x80:
      return 0, 0
    number = number << 6 | byte & 0x3F
  return number, used


def _crc8(data: bytes) -> int:
  crc = 0
  for byte in data:
    crc ^= byte
    for _ in range(8):
      crc = crc << 1 & 0xFF ^ (_CRC8 if crc & 0x80 else 0)
  return crc
