"""When what was really said: a table of times that detections are held against."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Sequence

from schemas import errors

# Of an hour in which each second has a label, 100 kB.
_MOST_BYTES = 64 << 20
COLUMNS = ('start_s', 'end_s', 'label')


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Event:
  """Something that was said.

  Attributes:
    end_s: Where it ends, in seconds from the start of the recording.
    start_s: Where it begins.
    label: What it is.
  """

  end_s: float
  start_s: float
  label: str


def load(path: str) -> list[Event]:
  """Returns the events of a table, in the order of their ends.

  Args:
    path: CSV with the columns start_s, end_s and label (others are passed by), or a label track of
      Audacity: start, end and label between tabs, without a header.

  Raises:
    ConfigError: if it cannot be read.
  """
  try:
    with open(path, encoding='utf-8-sig', newline='') as stream:
      text = stream.read(_MOST_BYTES + 1)
  except (OSError, UnicodeDecodeError) as error:
    raise errors.ConfigError(f'--truth={path} cannot be read: {error}.') from error
  if len(text) > _MOST_BYTES:
    raise errors.ConfigError(
      f'--truth={path} is longer than {_MOST_BYTES >> 20} MiB: it is no table of times.'
    )
  lines = text.splitlines()
  lines = [line for line in lines if line.strip()]
  if not lines:
    raise errors.ConfigError(f'--truth={path} is empty: there is nothing to be heard.')
  if '\t' in lines[0] and not lines[0].startswith('start_s'):
    # A line that begins with a backslash says of the one before which frequencies it is of.
    rows = [line.split('\t') for line in lines if not line.startswith('\\')]
    return _events(path, rows, first=1)
  delimiter = '\t' if '\t' in lines[0] else ','
  try:
    table = list(csv.reader(lines, delimiter=delimiter, strict=True))
  except csv.Error as error:
    raise errors.ConfigError(f'--truth={path} cannot be read: {error}.') from error
  header = [name.strip() for name in table[0]]
  missing = [name for name in COLUMNS if name not in header]
  if missing:
    raise errors.ConfigError(
      f'--truth={path}: expected the columns {", ".join(COLUMNS)} in its first line, or a label '
      f'track of Audacity; {", ".join(missing)} is not among {", ".join(header)[:200]}.'
    )
  places = [header.index(name) for name in COLUMNS]
  rows = [[row[i] if i < len(row) else '' for i in places] for row in table[1:]]
  return _events(path, rows, first=2)


def _events(path: str, rows: Iterable[Sequence[str]], *, first: int) -> list[Event]:
  found = []
  for number, row in enumerate(rows, first):
    try:
      start_s, end_s = float(row[0]), float(row[1])
      label = row[2].strip()
    except (ValueError, IndexError):
      start_s, end_s, label = math.nan, math.nan, ''
    if not (0 <= start_s <= end_s < math.inf and label):
      raise errors.ConfigError(
        f'--truth={path}, line {number}: expected a start and an end in seconds, the end not '
        f'before the start, and a label, got {", ".join(row)[:200]!r}.'
      )
    found.append(Event(start_s=start_s, end_s=end_s, label=label))
  return sorted(found)
