"""The rows of a table, whatever its form: CSV, TSV or JSON Lines."""

import csv
import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from beam_jobs.sources import listing
from beam_jobs.sources.tables import lines
from schemas import errors

COMMA, SEMICOLON, TAB = ',', ';', '\t'
# Endings -> what separates cells; '' for JSON Lines.
FORMS = {
  '.csv': COMMA,
  '.tsv': TAB,
  '.tab': TAB,
  '.jsonl': '',
  '.ndjson': '',
  '.json': '',
}


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
  """One row.

  Attributes:
    number: The line on which it begins, as an editor counts: that of the header is 1.
    columns: The names of the table's columns; the same for all of its rows.
    values: Its cells by column, without spaces at both ends. JSON Lines may have others than
      `columns` names, or lack some.
    problem: Why it cannot be read, as a sentence; '' if it can.
  """

  number: int
  columns: tuple[str, ...]
  values: Mapping[str, str]
  problem: str = ''


# The line on which a row begins, its cells without spaces around them, and why there are none.
_Numbered = tuple[int, list[str], str]


def read(
  path: str, *, delimiter: str = '', quotes: bool = True, is_lenient: bool = False
) -> Iterator[Row]:
  """Yields the rows of a table, without its header and without rows whose cells are all empty.

  Args:
    path: A file that ends with one of FORMS, or with one of them and .gz.
    delimiter: What separates cells; '' goes by the ending, and takes for a .csv whichever of
      comma, semicolon and tab its header has most of.
    quotes: Whether `"` holds a cell together; otherwise it stands for itself.
    is_lenient: Whether what is not UTF-8, or no row, is the problem of its row alone. That takes
      quotes=False: a quote that is open swallows the rows behind it.

  Raises:
    SourceError: if the table as a whole cannot be read: another ending, not UTF-8, quotes that do
      not pair, columns of the same name, a first line that is not JSON.
  """
  by_ending = _form_of(path)
  if by_ending:
    return _delimited_rows(path, delimiter, quotes, is_lenient)
  return _json_rows(path)


def _form_of(path: str) -> str | None:
  """Returns the delimiter that an ending stands for; None for JSON Lines."""
  name = lines.name_of(path).lower().removesuffix(lines.GZIP_SUFFIX)
  for ending, delimiter in FORMS.items():
    if name.endswith(ending):
      return delimiter or None
  next(lines.read_lines(path), None)  # If it is missing or a folder, that is to be said.
  raise errors.SourceError(
    f'The ending of a table tells its form, and {path} has none of {", ".join(FORMS)} (each also '
    'with .gz). Rename it, or name another file with --input=FILE.'
  )


def columns_of(path: str, delimiter: str) -> tuple[str, ...]:
  """Returns the names of the columns of a table without quotes; () for an empty file."""
  return _opened(path, delimiter, quotes=False, is_lenient=True)[0]


def _delimited_rows(path: str, delimiter: str, quotes: bool, is_lenient: bool) -> Iterator[Row]:
  columns, numbered = _opened(path, delimiter, quotes, is_lenient)
  for number, cells, problem in numbered:
    if not problem and len(cells) != len(columns):
      problem = f'Wanted {len(columns)} columns, got {len(cells)}.'
      if not is_lenient:
        problem = (
          f'Wanted {len(columns)} cells, as the header has, got {len(cells)}. A cell that holds '
          'the delimiter stands in double quotes.'
        )
    named = [] if problem else zip(columns, cells, strict=True)
    yield Row(number, columns, {name: cell for name, cell in named if name}, problem)


def _opened(
  path: str, delimiter: str, quotes: bool, is_lenient: bool
) -> tuple[tuple[str, ...], Iterator[_Numbered]]:
  """Returns the names of the columns, and the rows behind them."""
  texts = (text for _, text in lines.read_lines(path, is_lenient=is_lenient))
  header = next(texts, '')
  reader = csv.reader(
    itertools.chain([header] if header else [], texts),
    delimiter=delimiter or _delimiter_of(path, header),
    quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
    strict=True,
  )
  numbered = _numbered(reader, path, is_lenient)
  names = next((_checked_header(path, number, cells) for number, cells, _ in numbered), ())
  return names, numbered


def _delimiter_of(path: str, header: str) -> str:
  by_ending = _form_of(path) or COMMA
  if by_ending == TAB:
    return TAB
  # The first of equals: a table of one column is read with commas.
  return max((COMMA, SEMICOLON, TAB), key=header.count)


def _numbered(reader: Any, path: str, is_lenient: bool) -> Iterator[_Numbered]:
  """Yields the rows that are not empty; without an end of the quotes there are no more."""
  while True:
    number = reader.line_num + 1
    try:
      cells = next(reader, None)
    except csv.Error as error:
      if is_lenient:
        yield number, [], f'It cannot be read: {error}.'
        continue
      raise errors.SourceError(
        f'{lines.name_of(path)}, row {number}: this row and those behind it cannot be read: '
        f'{error}. Double quotes come in pairs, and stand twice inside of quotes; where they stand '
        'for themselves say table:quotes=false.'
      ) from error
    if cells is None:
      return
    if any(cells := [cell.strip() for cell in cells]):
      problem = (
        '' if all(map(listing.is_utf8, cells)) else 'Wanted UTF-8, and some of its bytes are not.'
      )
      yield number, cells, problem


def _checked_header(path: str, number: int, cells: list[str]) -> tuple[str, ...]:
  """Returns the names of the columns; '' for those without one, such as an index of pandas."""
  twice = sorted({name for name in cells if name and cells.count(name) > 1})
  if twice:
    raise errors.SourceError(
      f'{lines.name_of(path)}, row {number}: wanted a name of its own for every column, got '
      f'{twice[0]!r} {cells.count(twice[0])} times. Rename or remove one of them.'
    )
  return tuple(cells)


def _json_rows(path: str) -> Iterator[Row]:
  columns: tuple[str, ...] = ()
  for number, text in lines.read_lines(path):
    if not text.strip():
      continue
    values, problem = _json_values(text)
    if not columns:
      if problem:
        raise errors.SourceError(
          f'{lines.name_of(path)}, row {number}: {problem} Wanted JSON Lines: one object a line, '
          'such as {"path": "a.wav", "label": "yes"}. A JSON list becomes that by '
          "`jq -c '.[]'`."
        )
      columns = tuple(values)
    yield Row(number, columns, values, problem)


def _json_values(text: str) -> tuple[dict[str, str], str]:
  """Returns the values of one line as text, and what is wrong with it."""
  try:
    parsed = json.loads(text)
  except (ValueError, RecursionError) as error:
    return {}, f'Wanted a JSON object, got what is not JSON: {error}.'
  if not isinstance(parsed, dict):
    return {}, f'Wanted a JSON object, got a {type(parsed).__name__}.'
  values = {name: _as_text(value).strip() for name, value in parsed.items() if name}
  if not all(map(listing.is_utf8, (*values, *values.values()))):
    return {}, r'Wanted text, got half of a surrogate pair (such as \ud800).'
  return values, ''


def _as_text(value: Any) -> str:
  if value is None:
    return ''
  return value if isinstance(value, str) else json.dumps(value)
