"""The lines of a text file on a disk or in a bucket, one at a time, with their numbers."""

import contextlib
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from schemas import errors
from tfrecords import storage
from tfrecords.storage import passing_faults

GZIP_SUFFIX = '.gz'

# No row of a table is this long: what has such a line is no table, and must not fill the memory.
_MAX_LINE_BYTES = 1 << 24
_BOM = b'\xef\xbb\xbf'
# How files begin that are taken for tables: first bytes, what they are, what to do.
_OTHER_KINDS = (
  (b'PK\x03\x04', 'an Excel workbook or another zip file', 'Save it as CSV (UTF-8)'),
  (b'\xd0\xcf\x11\xe0', 'an old Excel workbook', 'Save it as CSV (UTF-8)'),
  (b'\xff\xfe', 'text in UTF-16', 'Save it as UTF-8'),
  (b'\xfe\xff', 'text in UTF-16', 'Save it as UTF-8'),
  (b'PAR1', 'a Parquet file', 'Write it as CSV (UTF-8)'),
  (b'\x1f\x8b', 'compressed by gzip', 'Unpack it, or let its name end with .gz'),
)


def name_of(path: str) -> str:
  """Returns the last part of a path: what the table is called in origins and errors."""
  return file_of(path).rpartition('/')[2]


def file_of(path: str) -> str:
  """Returns a path without what the address of a web page has behind it, such as `?token=1`."""
  return re.split('[?#]', path, maxsplit=1)[0] if storage.is_web(path) else path


def read_lines(path: str, *, is_lenient: bool = False) -> Iterator[tuple[int, str]]:
  r"""Yields the number, from 1, and the text of each line, with its line end (`\n` or `\r\n`).

  Args:
    path: An absolute local path, or that of an object in a bucket. What ends with .gz is
      unpacked on the way.
    is_lenient: Whether bytes that are not UTF-8 become surrogates, as in file names.

  Raises:
    SourceError: if there is no such file, or it is not text in UTF-8 (a byte-order mark is
      allowed); the text names the row.
  """
  number = 0
  try:
    with contextlib.ExitStack() as stack:
      stream = stack.enter_context(_opened(path))
      if file_of(path).lower().endswith(GZIP_SUFFIX):
        stream = stack.enter_context(gzip.GzipFile(fileobj=stream))  # type: ignore[assignment]
      while line := stream.readline(_MAX_LINE_BYTES):
        number += 1
        if number == 1:
          _check_kind(path, line)
          line = line.removeprefix(_BOM)
        yield number, _decoded(path, number, line, is_lenient)
  except (OSError, EOFError, zlib.error) as error:
    raise errors.SourceError(
      f'Could not read the table {path} behind row {number}: {error}. Copy it again, and check '
      'the rights.'
    ) from error


def _opened(path: str) -> BinaryIO:
  if '://' not in path and os.path.isdir(path):
    raise errors.SourceError(
      f'{path} is a folder, and a table was wanted. {_tables_in(path)}Name the file, such as '
      '--input=FOLDER/clips.csv; a folder without a table is read by --source=folders.'
    )
  files = storage.storage_of(path)
  try:
    return passing_faults.opened_patiently(lambda: files.open_read(path), path)
  except (FileNotFoundError, NotADirectoryError):
    raise errors.SourceError(
      f'There is no table {path}. Name the file with --input=FILE, such as --input=data/clips.csv.'
    ) from None


def _tables_in(folder: str) -> str:
  try:
    names = sorted(os.listdir(folder))
  except OSError:
    return ''
  tables = [name for name in names if name.lower().endswith(('.csv', '.tsv', '.jsonl', '.json'))]
  return f'It holds {errors.some(tables, 5)}. ' if tables else ''


def _check_kind(path: str, line: bytes) -> None:
  """Raises SourceError for a file whose beginning tells that it is something else."""
  for start, what, remedy in _OTHER_KINDS:
    if line.startswith(start):
      raise errors.SourceError(f'{path} is {what}, and a table in UTF-8 was wanted. {remedy}.')
  if b'\0' in line:
    raise errors.SourceError(
      f'{path} is a binary file (its first line holds zero bytes), and a table in UTF-8 was '
      'wanted. Name the table with --input=FILE.'
    )


def _decoded(path: str, number: int, line: bytes, is_lenient: bool) -> str:
  if len(line) == _MAX_LINE_BYTES and not line.endswith(b'\n'):
    raise errors.SourceError(
      f'{name_of(path)}, row {number}: this line is longer than {_MAX_LINE_BYTES} bytes, which no '
      f'row of a table is. Check that {path} is a table with one row a line.'
    )
  try:
    return line.decode('utf-8', 'surrogateescape' if is_lenient else 'strict')
  except UnicodeDecodeError as error:
    got = line[error.start : error.start + 1].hex()
    raise errors.SourceError(
      f'{name_of(path)}, row {number}: wanted text in UTF-8, got the byte 0x{got} in column '
      f'{error.start + 1}. Save {path} as UTF-8 (in Excel: "CSV UTF-8").'
    ) from None
