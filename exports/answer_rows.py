"""What a model says, row by row, as lines of text: for people, for programs, for Audacity.

Of a table see exports.answer_tables, for competitions exports.submissions.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.export_file import NONE
from schemas import errors

TEXT, JSONL, CSV, AUDACITY = 'text', 'jsonl', 'csv', 'audacity'
FILE, ID = 'file', 'id'  # What examples are called.
TOP, ALL = PROBABILITIES = ('top', 'all')

_DIGITS = 6


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Row:
  """What a model says of a clip, a picture, or a window of a recording.

  Attributes:
    name: The file as it was named, or the id of a record.
    probabilities: Of each label, float [labels]; empty if there is an error.
    is_none: Whether the answer is none of the labels; None where that is not asked.
    start_s: Where the window begins in its recording, in seconds; None for no window.
    end_s: Where it ends.
    label: The true label; None where it is not known.
    more: Of what else is known of it, in the order of Columns.more; None where that is not known.
    error: Why there is no answer, or ''.
  """

  name: str
  probabilities: NDArray[np.floating] = dataclasses.field(default_factory=lambda: np.zeros(0))
  is_none: bool | None = None
  start_s: float | None = None
  end_s: float | None = None
  label: str | None = None
  more: tuple[str | None, ...] = ()
  error: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
  """What is said in each row of an answer.

  Attributes:
    labels: Their names, in the order of the probabilities.
    top: How many of the most probable are said of each.
    probabilities: TOP; or ALL, those of all labels.
    key: What the clips are called: FILE or ID.
    has_windows: Whether rows are windows of recordings.
    has_none: Whether "none of these" may be the answer.
    has_label: Whether the true label of some is known.
    more: What the columns behind the key are called, of what else is known of each.
  """

  labels: tuple[str, ...]
  top: int = 3
  probabilities: str = TOP
  key: str = FILE
  has_windows: bool = False
  has_none: bool = False
  has_label: bool = False
  more: tuple[str, ...] = ()

  @property
  def num_said(self) -> int:
    """How many labels are said of each clip."""
    return len(self.labels) if self.probabilities == ALL else min(self.top, len(self.labels))

  def best(self, row: Row) -> list[tuple[str, float]]:
    """Returns the labels that are said of a row, with their probabilities, the highest first."""
    # Stable, so that equal probabilities come in the order of the labels.
    found = np.argsort(-row.probabilities, kind='stable')[: self.num_said]
    return [(self.labels[i], float(row.probabilities[i])) for i in found]

  def answer(self, row: Row) -> str:
    """Returns the most probable label of a row, or that it is none of these."""
    return NONE if row.is_none else self.labels[int(np.argmax(row.probabilities))]


def text_lines(rows: Iterable[Row], columns: Columns) -> Iterator[str]:
  """Yields such as `a.wav: yes 93.3 %, no 5.2 %`; of what cannot be used, nothing."""
  for row in rows:
    if row.error:
      continue
    probable = ', '.join(f'{visible(name)} {errors.share(p)}' for name, p in columns.best(row))
    said = f'{NONE} ({probable})' if row.is_none else probable
    where = '' if row.start_s is None else f' {row.start_s:.2f}-{row.end_s:.2f} s'
    true = '' if row.label is None else f' [true: {visible(row.label)}]'
    yield f'{visible(row.name)}{where}: {said}{true}'


def csv_lines(rows: Iterable[Row], columns: Columns) -> Iterator[str]:
  """Yields a header and a line of cells per row; of what cannot be used, none.

  The labels that are said are pairs of columns, label_1, probability_1 and so on; where those of
  all labels are said, there is the answer and a column for each label, in their order.
  """
  is_all = columns.probabilities == ALL
  header = [columns.key, *columns.more]
  header += ['start_s', 'end_s'] * columns.has_windows
  header += ['answer'] * (columns.has_none or is_all)
  if is_all:
    header += [f'probability_{label}' for label in columns.labels]
  else:
    numbers = range(1, columns.num_said + 1)
    header += itertools.chain(*((f'label_{i}', f'probability_{i}') for i in numbers))
  header += ['true_label'] * columns.has_label
  yield csv_line(header)
  for row in rows:
    if row.error:
      continue
    cells = [row.name, *(value or '' for value in row.more)]
    if columns.has_windows:
      cells += [_plain_seconds(row.start_s), _plain_seconds(row.end_s)]
    cells += [columns.answer(row)] * (columns.has_none or is_all)
    if is_all:
      cells += [f'{p:.{_DIGITS}f}' for p in row.probabilities]
    else:
      cells += itertools.chain(*((name, f'{p:.{_DIGITS}f}') for name, p in columns.best(row)))
    cells += [row.label or ''] * columns.has_label
    yield csv_line(cells)


def json_lines(rows: Iterable[Row], columns: Columns) -> Iterator[str]:
  """Yields an object per row; one that cannot be used has an `error` in place of an answer."""
  for row in rows:
    line: dict[str, Any] = {columns.key: row.name}
    line |= {name: value for name, value in zip(columns.more, row.more, strict=True) if value}
    if row.start_s is not None and row.end_s is not None:
      line |= {'start_s': round(row.start_s, _DIGITS), 'end_s': round(row.end_s, _DIGITS)}
    if row.error:
      line['error'] = row.error
    else:
      if row.is_none is not None:
        line['none_of_these'] = row.is_none
      line['predictions'] = [
        {'label': name, 'probability': round(p, _DIGITS)} for name, p in columns.best(row)
      ]
      if row.label is not None:
        line['true_label'] = row.label
    yield json.dumps(line, ensure_ascii=False)


def audacity_lines(rows: Iterable[Row], columns: Columns) -> Iterator[str]:
  """Yields the label track of one recording, which Audacity imports: start, end and label.

  Neighbouring windows of one answer are one label. Where windows of two answers overlap, the border
  is in the middle of what they share. What is none of these, or cannot be heard, has no label.
  """
  spoken = (row for row in rows if not (row.error or row.is_none))
  held: tuple[float, float, str] | None = None
  for row in spoken:
    start_s, end_s, answer = row.start_s or 0.0, row.end_s or 0.0, columns.answer(row)
    if held is None:
      held = (start_s, end_s, answer)
    elif held[2] == answer and start_s <= held[1] + 10**-_DIGITS:
      held = (held[0], max(held[1], end_s), answer)
    else:
      border_s = (start_s + held[1]) / 2 if start_s < held[1] else start_s
      yield _track_line(held[0], min(held[1], border_s), held[2])
      held = (border_s, end_s, answer)
  if held is not None:
    yield _track_line(*held)


# The forms of rows that come as lines, by the name of a format.
LINES: Mapping[str, Callable[[Iterable[Row], Columns], Iterator[str]]] = {
  TEXT: text_lines,
  JSONL: json_lines,
  CSV: csv_lines,
  AUDACITY: audacity_lines,
}


def to_bytes(line: str) -> bytes:
  """Returns a line as it stands in a file: a name that is no UTF-8 as the bytes that it has.

  In JSON such a byte is the escape of half a surrogate pair, which JSON readers take.
  """
  escape = 'backslashreplace' if line.startswith('{') else 'surrogateescape'
  return line.encode('utf-8', escape) + b'\n'


def csv_line(cells: Sequence[str]) -> str:
  """Returns cells as a line of CSV, quoted where they need it."""
  stream = io.StringIO()
  # Quoted is what has a sign of the end of a line in it.
  csv.writer(stream, lineterminator='\r\n').writerow(cells)
  return stream.getvalue().removesuffix('\r\n')


def visible(text: str) -> str:
  """Returns text with its tabs, ends of lines and the like as escapes: it stays on one line."""
  return ''.join(
    sign if sign.isprintable() or '\udc80' <= sign <= '\udcff' else ascii(sign)[1:-1]
    for sign in text
  )


def _track_line(start_s: float, end_s: float, label: str) -> str:
  return f'{start_s:.{_DIGITS}f}\t{end_s:.{_DIGITS}f}\t{visible(label)}'


def _plain_seconds(value: float | None) -> str:
  return '' if value is None else str(round(value, _DIGITS))
