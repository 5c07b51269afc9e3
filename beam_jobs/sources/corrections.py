"""Corrections of a corpus: the table of what is wrong in it.

A CSV file with the columns `id`, `action` and `label`, a clip a row:

  id,action,label
  yes/ann_1.wav,relabel,no
  yes/bob_2.wav,leave_out,
  no/cyd_0.wav,keep,

`keep` says that somebody has looked and that the label is right; it changes nothing.
"""

import csv
import dataclasses
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping

from schemas import errors, options, utterance

ID, ACTION, LABEL = 'id', 'action', 'label'
COLUMNS = (ID, ACTION, LABEL)
RELABEL, LEAVE_OUT, KEEP = 'relabel', 'leave_out', 'keep'
ACTIONS = (RELABEL, LEAVE_OUT, KEEP)

# They are held in memory by who lists the corpus, and go to every worker, packed.
MOST = 100_000
MAX_BYTES = 32 << 20
_SEPARATORS = (',', ';', '\t')
_BOM = '\ufeff'


@dataclasses.dataclass(frozen=True)
class Corrections:
  """What is to be changed, in a form that is small to send; `corrections_of` makes it.

  Attributes:
    packed: The actions by id, compressed; empty where there are none.
    num_relabel: How many clips get another label.
    num_leave_out: How many are left out.
    digest: Of what changes something.
  """

  packed: bytes = b''
  num_relabel: int = 0
  num_leave_out: int = 0
  digest: str = ''

  def by_id(self) -> dict[str, tuple[str, str]]:
    """Returns the action and the new label of every clip by its id."""
    rows = json.loads(zlib.decompress(self.packed)) if self.packed else []
    return {clip: (action, label) for clip, action, label in rows}

  def to_json(self) -> dict[str, str | int]:
    """Returns what the manifest says of them; of those that change nothing, nothing."""
    if not self.digest:
      return {}
    return {
      RELABEL: self.num_relabel,
      LEAVE_OUT: self.num_leave_out,
      'digest': self.digest,
    }


def corrections_of(actions: Mapping[str, tuple[str, str]]) -> Corrections:
  """Returns the corrections of actions and new labels by id."""
  rows = [[clip, *actions[clip]] for clip in sorted(actions)]
  changing = [row for row in rows if row[1] != KEEP]
  return Corrections(
    packed=zlib.compress(json.dumps(rows).encode(), level=6) if rows else b'',
    num_relabel=sum(row[1] == RELABEL for row in rows),
    num_leave_out=sum(row[1] == LEAVE_OUT for row in rows),
    digest=(
      hashlib.blake2b(json.dumps(changing).encode(), digest_size=16).hexdigest() if changing else ''
    ),
  )


def parse(content: bytes, *, where: str) -> Corrections:
  """Reads a file of corrections.

  Cells stand between commas, semicolons or tabs, as the header shows. Labels are made tidy, as
  those of the corpus are; ids are taken to the letter.

  Args:
    content: The file.
    where: What errors call it.

  Raises:
    ConfigError: if it is no such table, or two rows are of one clip; the text names the row.
  """
  if len(content) > MAX_BYTES:
    raise _refused(
      where,
      f'Wanted at most {MAX_BYTES >> 20} MiB, and there are more. So many corrections are a corpus '
      'of its own: write its labels into a table (--source=table).',
    )
  actions: dict[str, tuple[str, str]] = {}
  row_of: dict[str, int] = {}
  for number, cells in _rows(content, where):
    clip, action, label = (cells.get(name, '') for name in COLUMNS)
    action, label = action.strip(), utterance.tidy(label)
    if problem := _problem(clip, action, label):
      raise _refused(where, problem, number)
    if clip in row_of:
      raise _refused(
        where,
        f'Wanted one row for a clip, and {clip!r} stands in row {row_of[clip]} already. Remove one '
        'of the two.',
        number,
      )
    if len(actions) == MOST:
      raise _refused(
        where,
        f'Wanted at most {MOST:,} corrections. More are a corpus of its own: write its labels into '
        'a table (--source=table).',
        number,
      )
    actions[clip], row_of[clip] = (action, label), number
  return corrections_of(actions)


def _problem(clip: str, action: str, label: str) -> str:
  """Returns what is wrong with a row, as a sentence; '' if nothing is."""
  if not clip:
    return f'The column {ID!r} is empty.'
  if action not in ACTIONS:
    return (
      f'Wanted {", ".join(ACTIONS)} in the column {ACTION!r}, got {action!r}.'
      f'{options.did_you_mean(action, ACTIONS)}'
    )
  if action == RELABEL and not label:
    return f'Wanted the new label of {clip!r} in the column {LABEL!r}, which is empty.'
  if action != RELABEL and label:
    return (
      f'{action!r} takes no label, got {label!r}. Write {RELABEL!r}, or leave the column {LABEL!r} '
      'empty.'
    )
  return ''


def _rows(content: bytes, where: str) -> Iterator[tuple[int, dict[str, str]]]:
  """Yields the line of each row that is not empty, from that of the header on, and its cells."""
  text = _decoded(content, where)
  header = text.partition('\n')[0]
  separator = max(_SEPARATORS, key=header.count)  # The first of equals.
  reader = csv.reader(io.StringIO(text, newline=''), delimiter=separator, strict=True)
  columns: list[str] = []
  while True:
    number = reader.line_num + 1
    try:
      cells = next(reader, None)
    except csv.Error as error:
      raise _refused(
        where,
        f'It cannot be read: {error}. A cell has at most {csv.field_size_limit():,} characters; '
        'double quotes come in pairs, and stand twice inside of quotes.',
        number,
      ) from error
    if cells is None:
      break
    if not any(cell.strip() for cell in cells):
      continue
    if not columns:
      columns = _checked_header([cell.strip() for cell in cells], where, number)
      continue
    if len(cells) != len(columns):
      raise _refused(
        where, f'Wanted {len(columns)} cells, as the header has, got {len(cells)}.', number
      )
    yield number, dict(zip(columns, cells, strict=True))
  if not columns:
    raise _refused(where, f'Wanted the columns {", ".join(COLUMNS)}, got an empty file.')


def _decoded(content: bytes, where: str) -> str:
  try:
    text = content.decode('utf-8').removeprefix(_BOM)
  except UnicodeDecodeError as error:
    number = content.count(b'\n', 0, error.start) + 1
    raise _refused(
      where,
      f'Wanted text in UTF-8, got the byte 0x{content[error.start]:02x}. Save it as UTF-8 (in '
      'Excel: "CSV UTF-8").',
      number,
    ) from error
  if '\0' in text:
    raise _refused(where, 'Wanted a CSV file, got a binary one: it holds zero bytes.')
  return text


def _checked_header(names: list[str], where: str, number: int) -> list[str]:
  for name in names:
    if name not in COLUMNS:
      raise _refused(
        where,
        f'Wanted the columns {", ".join(COLUMNS)}, got {name!r}.'
        f'{options.did_you_mean(name, COLUMNS)} The first row names the columns.',
        number,
      )
    if names.count(name) > 1:
      raise _refused(where, f'The column {name!r} stands there {names.count(name)} times.', number)
  for name in (ID, ACTION):
    if name not in names:
      raise _refused(
        where, f'Wanted the columns {", ".join(COLUMNS)}; {name!r} is missing.', number
      )
  return names


def _refused(where: str, problem: str, number: int = 0) -> errors.ConfigError:
  row = f', row {number}' if number else ''
  return errors.ConfigError(f'--corrections={where}{row}: {problem}')
