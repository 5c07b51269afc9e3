"""Reads some features of the records of a file and steps over the others.

A record of audio is nearly all audio: what is listed is its label, so the samples are not read.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO

from schemas import errors
from tfrecords.wire import framing

_NOT_AN_EXAMPLE = 'its bytes are no tf.train.Example'
_MOST_VARINT_BYTES = 10
# Wire types (protobuf.dev/programming-guides/encoding).
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclasses.dataclass(frozen=True, slots=True)
class Skimmed:
  """The wanted part of one record.

  Attributes:
    offset_bytes: Where the record's frame begins.
    length_bytes: Length of the whole record without its frame.
    features: The wanted ones by name, each a serialized tf.train.Feature.
  """

  offset_bytes: int
  length_bytes: int
  features: dict[str, bytes]


def skim(stream: BinaryIO, keys: Collection[str], *, where: str) -> Iterator[Skimmed]:
  """Yields the wanted features of every record.

  The checksum of a record's data is not looked at, since it covers what is stepped over: who
  reads the clip does that.

  Args:
    stream: A record file from its start, seekable: it is not read in full.
    keys: Names of features.
    where: The file, for errors.

  Raises:
    RecordError: if a record is cut off or is no tf.train.Example.
  """
  wanted = {key.encode(): key for key in keys}
  offset = index = 0
  while first := stream.read(1):
    reader = _Reader(stream, f'{where}, record {index} at byte {offset}')
    header = first + reader.take(framing.HEADER_BYTES - 1)
    length, expected, got = framing.split_header(header)
    if expected != got:
      raise reader.error('the checksum of its length is wrong')
    yield Skimmed(offset, length, dict(_entries(reader, length, wanted)))
    reader.take(framing.FOOTER_BYTES)
    offset += framing.OVERHEAD_BYTES + length
    index += 1


class _Reader:
  """A stream whose end is an error."""

  def __init__(self, stream: BinaryIO, where: str) -> None:
    self._stream = stream
    self._where = where
    self.position = 0

  def error(self, what: str) -> errors.RecordError:
    """Returns an error that says where it is and what to do."""
    return errors.RecordError(
      f'{self._where}: {what}. Copy the file again, or prepare the data set again.'
    )

  def take(self, num_bytes: int) -> bytes:
    """Returns the next bytes."""
    data = self._stream.read(num_bytes)
    if len(data) < num_bytes:
      raise self.error('the file ends within it')
    self.position += num_bytes
    return data

  def skip(self, num_bytes: int) -> None:
    """Steps over the next bytes; that the file ends within them shows at the next take."""
    self._stream.seek(num_bytes, 1)
    self.position += num_bytes

  def varint(self) -> int:
    """Returns the next number."""
    number = 0
    for group in range(_MOST_VARINT_BYTES):
      byte = self.take(1)[0]
      number |= (byte & 0x7F) << 7 * group
      if byte < 0x80:
        return number
    raise self.error(_NOT_AN_EXAMPLE)

  def fields(self, num_bytes: int) -> Iterator[tuple[int, int]]:
    """Yields number and length of each field of bytes; who gets them takes or skips these."""
    end = self.position + num_bytes
    while self.position < end:
      number, wire_type = divmod(self.varint(), 8)
      if wire_type == _VARINT:
        self.varint()
      elif wire_type in (_FIXED64, _FIXED32):
        self.skip(8 if wire_type == _FIXED64 else 4)
      elif wire_type == _BYTES:
        length = self.varint()
        if self.position + length > end:
          raise self.error(_NOT_AN_EXAMPLE)
        yield number, length
      else:
        raise self.error(_NOT_AN_EXAMPLE)
    if self.position != end:
      raise self.error(_NOT_AN_EXAMPLE)


def _entries(
  reader: _Reader, num_bytes: int, wanted: Mapping[bytes, str]
) -> Iterator[tuple[str, bytes]]:
  """Yields name and feature of the wanted entries of an Example's map."""
  for number, length in reader.fields(num_bytes):
    # Field 1 of an Example are its Features, whose field 1 are the entries.
    for entry_number, entry_bytes in reader.fields(length) if number == 1 else ():
      if entry_number == 1:
        yield from _entry(reader, entry_bytes, wanted)
      else:
        reader.skip(entry_bytes)
    if number != 1:
      reader.skip(length)


def _entry(
  reader: _Reader, num_bytes: int, wanted: Mapping[bytes, str]
) -> Iterator[tuple[str, bytes]]:
  """Yields an entry of the map, or nothing if it is not wanted."""
  key, value = None, b''
  for number, length in reader.fields(num_bytes):
    if number == 1:
      key = reader.take(length)
    elif number == 2 and (key is None or key in wanted):
      value = reader.take(length)
    else:
      reader.skip(length)
  if key in wanted:
    yield wanted[key], value
