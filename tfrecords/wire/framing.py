"""The frame around a record: length, checksum of the length, data, checksum of the data.

Source: TensorFlow, tensorflow/core/lib/io/record_writer.h: uint64 length, uint32 masked CRC-32C of
the length, the data, uint32 masked CRC-32C of the data, all little-endian.
"""

import struct

import google_crc32c

_LENGTH = struct.Struct('<Q')
_CRC = struct.Struct('<I')

HEADER_BYTES = _LENGTH.size + _CRC.size
FOOTER_BYTES = _CRC.size
OVERHEAD_BYTES = HEADER_BYTES + FOOTER_BYTES


def masked_crc(data: bytes) -> int:
  """Returns the CRC-32C of `data` as it stands in a file.

  It is rotated and offset, since the CRC of data that itself holds its CRC is weak.
  Source: TensorFlow, tensorflow/core/lib/hash/crc32c.h, Mask.
  """
  crc: int = google_crc32c.value(data)
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(data: bytes) -> tuple[bytes, bytes, bytes]:
  """Returns the three pieces that follow one another in the file, `data` uncopied."""
  length = _LENGTH.pack(len(data))
  return length + _CRC.pack(masked_crc(length)), data, _CRC.pack(masked_crc(data))


def split_header(header: bytes) -> tuple[int, int, int]:
  """Returns the length that 12 bytes declare, the checksum they give and the one they have."""
  length = header[: _LENGTH.size]
  return _LENGTH.unpack(length)[0], _CRC.unpack(header[_LENGTH.size :])[0], masked_crc(length)


def crc_of(footer: bytes) -> int:
  """Returns the checksum that 4 bytes give."""
  crc: int = _CRC.unpack(footer)[0]
  return crc
