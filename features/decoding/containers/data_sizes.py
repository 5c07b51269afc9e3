"""What lies behind the audio of a file whose header says how long the audio is.

There may be further chunks, tags and padding. What else is there is most likely audio: the size
wrapped at 4 GiB, or a program ended before it wrote the last one. libsndfile says nothing of it.

Source: RF64, EBU Tech 3306; Sony Wave64; Apple, AIFF-C (1991) and Core Audio Format 1.0; Sun, .au;
NIST SPHERE 2.6.
"""

import re
import struct
from collections.abc import Callable

from features.decoding.byte_ranges import Bytes
from schemas.rejects import ClipError

# So much audio may be missing, in seconds: what a decoder adds or drops at the end.
TOLERANCE_S = 0.05

# Sizes of 32 and of 64 bits from here on say that the size was not known.
_OPEN_BYTES, _OPEN_LARGE_BYTES = 0x7F000000, 1 << 60
# Where nobody knows how many bytes a second takes.
_LEAST_RATE_BYTES = 8_000
# More chunks than this are no chunks: audio can look like some.
_MAX_CHUNKS = 1_000
# Zeros up to so many are padding, as writers of whole blocks leave it.
_MAX_PADDING_BYTES = 1 << 16
# What programs put behind the chunks, although it is none; and what begins another file.
_TAGS = (b'TAG', b'ID3', b'APETAGEX', b'LYRICSBEGIN')
_FILES = (b'RIFF', b'RF64', b'BW64', b'FORM', b'riff', b'caff')

_SPHERE = re.compile(rb'^(sample_count|channel_count|sample_n_bytes) -i (\d+)$', re.MULTILINE)

# From a place to (name, first byte behind the header, size, first byte of the next); or None.
_Chunk = tuple[bytes, int, int, int]
_Reader = Callable[[Bytes, int], _Chunk | None]


def check(data: Bytes, num_frames: int = 0, sample_rate_hz: int = 0) -> None:
  """Raises ClipError where there is not as much audio as the header says.

  That is `truncated` where less is there, `wrong_size` where more than TOLERANCE_S lies behind.

  Args:
    data: A file; RIFF is wav's to judge.
    num_frames: What libsndfile believes, of the whole; 0 where it refuses the file.
    sample_rate_hz: Samples per second, likewise.
  """
  found = _found(data)
  if found is None:
    return
  start, declared, reader = found
  rest = len(data) - start - declared
  if not 0 <= declared < (_OPEN_BYTES if reader in (None, _iff_chunk) else _OPEN_LARGE_BYTES):
    return
  if rest < 0:
    raise ClipError(
      'truncated',
      f'Wanted {declared} bytes of audio, as the header says, got {declared + rest}.',
    )
  rate_bytes = sample_rate_hz * declared / num_frames if num_frames else _LEAST_RATE_BYTES
  if rest > TOLERANCE_S * rate_bytes and not are_chunks(data, start + declared, reader):
    raise wrong_size(declared, declared + rest)


def are_chunks(
  data: Bytes, position: int, reader: _Reader | None, *, padding_bytes: int = _MAX_PADDING_BYTES
) -> bool:
  """Whether from a place on there is nothing but chunks, tags, and so many zeros at most."""
  for _ in range(_MAX_CHUNKS):
    left = len(data) - position
    if left <= 1:  # The padding of the last chunk may be missing.
      return left >= -1
    head = data[position : position + 32]
    if head.startswith(_TAGS):
      return True
    if not any(head):
      return left <= padding_bytes and not any(data[position : len(data)])
    chunk = reader(data, position) if reader else None
    if chunk is None or not is_name(chunk[0]):
      return False
    position = chunk[3]
  return False


def is_name(name: bytes) -> bool:
  """Whether four bytes may be the name of a chunk inside of a file."""
  return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name) and name not in _FILES


def wrong_size(declared_bytes: int, held_bytes: int) -> ClipError:
  """Returns the error of a file that holds more audio than its header says."""
  return ClipError(
    'wrong_size',
    f'Wanted {declared_bytes} bytes of audio, as the header says, got {held_bytes}: what lies '
    'behind is no chunk.',
  )


def riff_chunk(data: Bytes, position: int) -> _Chunk | None:
  """Returns the chunk at a place of a RIFF file."""
  return _chunk(data, position, '<4sI')


def _iff_chunk(data: Bytes, position: int) -> _Chunk | None:
  return _chunk(data, position, '>4sI')


def _caf_chunk(data: Bytes, position: int) -> _Chunk | None:
  return _chunk(data, position, '>4sq', alignment=1)


def _w64_chunk(data: Bytes, position: int) -> _Chunk | None:
  found = _chunk(data, position, '<4s12xQ', alignment=8)
  if found is None:
    return None
  name, start, size, _ = found
  end = position + size  # The size is that of the header, too.
  return (name, start, size - 24, end + -end % 8) if size >= 24 else None


def _chunk(data: Bytes, position: int, form: str, alignment: int = 2) -> _Chunk | None:
  num_bytes = struct.calcsize(form)
  head = data[position : position + num_bytes]
  if len(head) < num_bytes:
    return None
  name, size = struct.unpack(form, head)
  start = position + num_bytes
  end = start + max(0, size)
  return name, start, size, end + -end % alignment


def _found(data: Bytes) -> tuple[int, int, _Reader | None] | None:
  """Returns (first byte of the audio, its declared size, reader of what follows)."""
  head = data[:16]
  kind = head[:4]
  if (kind, head[8:12]) in _CHUNKED:
    return _named(data, _CHUNKED[kind, head[8:12]], 12, _iff_chunk)
  if kind in _READERS:
    return _READERS[kind](data)
  return _sphere(data) if head[:7] == b'NIST_1A' else None


def _au(data: Bytes) -> tuple[int, int, None] | None:
  head = data[:12]
  if len(head) < 12:
    return None
  start, declared = struct.unpack('>4xII' if head[:1] == b'.' else '<4xII', head)
  return start, declared, None


def _named(
  data: Bytes, name: bytes, position: int, reader: _Reader
) -> tuple[int, int, _Reader] | None:
  for _ in range(_MAX_CHUNKS):
    chunk = reader(data, position)
    if chunk is None:
      return None
    if chunk[0] == name:
      return chunk[1], chunk[2], reader
    position = chunk[3]
  return None


def _rf64(data: Bytes) -> tuple[int, int, _Reader] | None:
  head = data[12:36]
  if head[:4] != b'ds64' or len(head) < 24:
    return None
  found = _named(data, b'data', 12, riff_chunk)
  if found is None:
    return None
  start, declared, reader = found
  if declared == 0xFFFFFFFF:
    (declared,) = struct.unpack_from('<Q', head, 16)
  return start, declared, reader


def _sphere(data: Bytes) -> tuple[int, int, None] | None:
  head = data[:1024]
  fields = {name: int(value) for name, value in _SPHERE.findall(head)}
  try:
    (start,) = map(int, head.split(b'\n', 2)[1:2])
  except ValueError:
    return None
  counts = [fields.get(name, 0) for name in (b'sample_count', b'channel_count', b'sample_n_bytes')]
  declared = counts[0] * counts[1] * counts[2]
  return (start, declared, None) if declared else None


# Kind and form of IFF files -> the chunk of the audio.
_CHUNKED = {
  (b'FORM', b'AIFF'): b'SSND',
  (b'FORM', b'AIFC'): b'SSND',
  (b'FORM', b'8SVX'): b'BODY',
  (b'FORM', b'16SV'): b'BODY',
}
# First bytes of others -> who finds the audio.
_READERS: dict[bytes, Callable[[Bytes], tuple[int, int, _Reader | None] | None]] = {
  b'RF64': _rf64,
  b'BW64': _rf64,
  b'riff': lambda data: _named(data, b'data', 40, _w64_chunk),
  b'caff': lambda data: _named(data, b'data', 8, _caf_chunk),
  b'.snd': _au,
  b'dns.': _au,
}
