"""Reads the records of a shard file, with both checksums of each."""

import dataclasses
from collections.abc import Iterator
from typing import BinaryIO

from schemas import errors
from tfrecords import storage as storage_lib
from tfrecords.storage import passing_faults
from tfrecords.wire import framing

# A length is believed piece by piece: a damaged one must not allocate what the file cannot hold.
_PIECE_BYTES = 1 << 24

REMEDY = (
  'The file is damaged or was not copied whole: copy it again, or run the data job again with the '
  'same flags (whole shards are kept).'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Scanned:
  """One record of a file, whole or not.

  Attributes:
    index: Its place in the file, from 0.
    offset_bytes: Where its frame begins.
    data: Its bytes; empty if they cannot be told.
    problem: What is wrong with it; empty if nothing is.
  """

  index: int
  offset_bytes: int
  data: bytes
  problem: str = ''


def read_records(path: str, storage: storage_lib.Storage = storage_lib.LOCAL) -> Iterator[bytes]:
  """Yields the records of a shard in their order; a file of zero bytes has none.

  Raises:
    RecordError: if the file is missing or a record is damaged; the text names the file, the
      record, where it begins, and what to do.
  """
  with open_shard(path, storage) as stream:
    records = scan(stream)
    while (scanned := _next(records, path)) is not None:
      if scanned.problem:
        raise errors.RecordError(f'{path}, {describe(scanned)} {REMEDY}')
      yield scanned.data


def _next(records: Iterator[Scanned], path: str) -> Scanned | None:
  # Not around the loop: what the caller does with a record is none of this.
  try:
    return next(records, None)
  except OSError as error:
    raise errors.RecordError(
      f'Could not read the shard file {path!r} to its end: {error.strerror or error}. {REMEDY}'
    ) from error


def open_shard(path: str, storage: storage_lib.Storage = storage_lib.LOCAL) -> BinaryIO:
  """Returns a stream of the bytes of a shard.

  Raises:
    RecordError: if it cannot be opened.
    StorageError: here and while it is read, if the storage does not deliver, also when asked again.
  """
  try:
    return passing_faults.opened_patiently(lambda: storage.open_read(path), path)
  except FileNotFoundError as error:
    raise errors.RecordError(
      f'There is no shard file {path!r}. Copy it again, or run the data job again with the same '
      'flags (whole shards are kept).'
    ) from error
  except OSError as error:
    raise errors.RecordError(
      f'Could not open the shard file {path!r}: {error.strerror or error}.'
    ) from error


def describe(scanned: Scanned) -> str:
  """Returns where a damaged record is and what is wrong with it, as a sentence."""
  return f'record {scanned.index} at byte {scanned.offset_bytes}: {scanned.problem}'


def scan(stream: BinaryIO) -> Iterator[Scanned]:
  """Yields every record of a stream, the damaged ones too.

  After damage that hides where the next record begins the scan ends; damage inside the data of a
  record does not end it.
  """
  index = offset = 0
  while header := _read(stream, framing.HEADER_BYTES):
    if len(header) < framing.HEADER_BYTES:
      yield Scanned(index, offset, b'', _cut_off(framing.HEADER_BYTES, len(header)))
      return
    length, wanted, got = framing.split_header(header)
    if wanted != got:
      yield Scanned(index, offset, b'', _wrong_crc('length', wanted, got))
      return
    data = _read(stream, length)
    footer = _read(stream, framing.FOOTER_BYTES)
    if len(data) < length or len(footer) < framing.FOOTER_BYTES:
      held = framing.HEADER_BYTES + len(data) + len(footer)
      problem = _cut_off(framing.OVERHEAD_BYTES + length, held)
      yield Scanned(index, offset, b'', problem)
      return
    wanted, got = framing.crc_of(footer), framing.masked_crc(data)
    problem = '' if wanted == got else _wrong_crc('data', wanted, got)
    yield Scanned(index, offset, data, problem)
    index += 1
    offset += framing.OVERHEAD_BYTES + length


def _cut_off(wanted_bytes: int, got_bytes: int) -> str:
  return f'expected {wanted_bytes} bytes, the file ends after {got_bytes} of them.'


def _wrong_crc(what: str, wanted: int, got: int) -> str:
  return f'the checksum of its {what} is {got:#010x}, the file says {wanted:#010x}.'


def _read(stream: BinaryIO, num_bytes: int) -> bytes:
  """Returns `num_bytes` bytes, fewer at the end of the file."""
  data = stream.read(min(num_bytes, _PIECE_BYTES))
  if len(data) == num_bytes:
    return data
  pieces = [data]
  missing = num_bytes - len(data)
  while missing and (piece := stream.read(min(missing, _PIECE_BYTES))):
    pieces.append(piece)
    missing -= len(piece)
  return b''.join(pieces)
