"""A table that names the clips: CSV, TSV or JSON Lines, one row a clip.

The first row of a CSV or TSV names the columns, the keys of the first object those of JSON Lines.
Every column that is none of those below becomes a field of the utterance, for split rules and
reports. Rows are read one by one and come in the table's order; what is kept of each are 18 to 36
bytes, by which an id that stands twice is found.
"""

import dataclasses
from collections.abc import Iterator

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import listing, source
from beam_jobs.sources.tables import cells, columns, first_rows, lines, places, rows
from schemas import errors, rejects, utterance
from schemas.rejects import ClipError

_DELIMITERS = {'comma': ',', 'semicolon': ';', 'tab': '\t', 'pipe': '|', 'space': ' '}
# Rows without a single clip.
_MOST_HELD_BACK = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
  r"""Which column holds what.

  Where a setting is empty, a column is taken that has one of the names given here, if there is
  one; `-` takes none.

  Attributes:
    path_column: The audio file: relative to the table's folder, or whole with `gs://`, `s3://`,
      `https://`, `http://`. `file://` is a path of this machine.
    label_column: What is to be learned.
    speaker_column: Who speaks (speaker, speaker_id, client_id). Without one every clip counts as
      a speaker of its own: then a person may be in two splits, and the accuracy looks better than
      it is.
    split_column: The official split: train, validation (valid, val, dev) or test; an empty cell
      leaves it open (split).
    start_column: Where in a long recording the clip begins, in seconds (start, start_s,
      start_time, offset). An empty cell is 0.
    duration_column: How long it is, in seconds (duration, duration_s; only beside a start). An
      empty cell, or no such column, reaches to the end of the recording.
    end_column: In place of the duration: where it ends, in seconds (end, end_s, end_time; only
      beside a start and where there is no duration).
    id_column: A name for the clip that no other has (id, utterance_id). Without one it is the
      path, or `path#start-duration` for a part of a recording.
    root: Folder that paths are relative to; empty for the table's own. No path leads out of it.
    delimiter: What stands between cells: comma, semicolon, tab, pipe, space or one character.
      Empty goes by the ending; in a .csv the header tells comma, semicolon and tab apart.
    quotes: Whether `"` holds a cell together; otherwise it stands for itself.
  """

  path_column: str = 'path'
  label_column: str = 'label'
  speaker_column: str = ''
  split_column: str = ''
  start_column: str = ''
  duration_column: str = ''
  end_column: str = ''
  id_column: str = ''
  root: str = ''
  delimiter: str = ''
  quotes: bool = True

  def __post_init__(self) -> None:
    for name in ('path_column', 'label_column'):
      if getattr(self, name) in ('', columns.NONE):
        raise errors.ConfigError(f'{name} must name a column of the table, got none.')
    if columns.is_named(self.duration_column) and columns.is_named(self.end_column):
      raise errors.ConfigError(
        f'Wanted duration_column or end_column, got both ({self.duration_column!r} and '
        f'{self.end_column!r}). Leave one of them out.'
      )
    if self.delimiter not in _DELIMITERS and len(self.delimiter) > 1:
      raise errors.ConfigError(
        f'delimiter must be {", ".join(_DELIMITERS)} or one character, got {self.delimiter!r}.'
      )
    if self.delimiter in ('"', '\n', '\r'):
      raise errors.ConfigError(f'delimiter must not be {self.delimiter!r}: it has another meaning.')


def list_utterances(corpus: corpus_lib.Corpus, settings: Table) -> Iterator[source.Entry]:
  """Yields one Utterance per row, and a Reject for each row that is none.

  Whether the audio files are there is seen when they are read.

  Args:
    corpus: Its root is the table, on a disk or in a bucket.
    settings: Which column holds what.

  Raises:
    SourceError: if the table is missing, cannot be read, lacks a column, or has no row that is a
      clip. The rejects before the first clip are held back until there is one.
  """
  entries = _entries(corpus.folder, settings)
  held_back = yield from listing.until_a_clip(entries, _MOST_HELD_BACK)
  if held_back is not None:
    raise _no_clip(corpus.folder, held_back)


def _no_clip(path: str, held_back: list[rejects.Reject]) -> errors.SourceError:
  if not held_back:
    return errors.SourceError(
      f'The table {path} has no rows. Wanted a first row with the names of the columns, such as '
      'path,label,speaker, and a row for every clip.'
    )
  first = held_back[0]
  return errors.SourceError(
    f'None of the first {len(held_back)} rows of {path} is a clip. The first: {first.detail} '
    f'{rejects.ADVICE[first.reason]}'
  )


def _entries(path: str, settings: Table) -> Iterator[source.Entry]:
  reader: _RowReader | None = None
  delimiter = _DELIMITERS.get(settings.delimiter, settings.delimiter)
  for row in rows.read(path, delimiter=delimiter, quotes=settings.quotes):
    reader = reader or _RowReader(path, settings, row.columns)
    yield reader.entry(row)
  if reader:
    yield from reader.places.noted


class _RowReader:
  """Turns the rows of one table into utterances."""

  def __init__(self, path: str, settings: Table, names: tuple[str, ...]) -> None:
    self._path = path
    self._name = lines.name_of(path)
    named = {role: getattr(settings, f'{role}_column') for role in utterance.USUAL_COLUMNS}
    self._columns = columns.find(self._name, names, named)
    self.places = places.Places(places.root_of(path, settings.root))
    self._first_rows = first_rows.FirstRows()

  def entry(self, row: rows.Row) -> source.Entry:
    """Returns the utterance of a row, or why it is none."""
    origin = f'{self._name}, row {row.number}'
    row_cells = cells.Cells(row.values, self._columns)
    try:
      self._check(row)
      clip = _utterance(row_cells, self.places, origin)
      # Last: a row that is no clip takes no id.
      self._check_duplicate(clip.utterance_id, row.number)
    except ClipError as error:
      clip_id = row_cells.text('id') or row_cells.text('path') or origin
      return error.reject(clip_id, self._path, origin)
    return clip

  def _check(self, row: rows.Row) -> None:
    if row.problem:
      raise ClipError('bad_row', row.problem)
    # JSON Lines only: a key that would mean something if the first object had it too.
    late = (row.values.keys() - row.columns) & self._columns.missing
    if late:
      raise ClipError(
        'bad_row',
        f'This object has {min(late)!r}, and the first one, which tells the columns, has not. '
        'Write it there too (it may be empty).',
      )

  def _check_duplicate(self, clip_id: str, number: int) -> None:
    first = self._first_rows.first(clip_id, number)
    if not first:
      return
    column = self._columns.by_role.get('id')
    hint = (
      f' (column {column!r}; table:id_column={columns.NONE} goes by the path)' if column else ''
    )
    raise ClipError(
      'duplicate',
      f'Wanted an id that no other clip has, got {clip_id!r} of row {first} again{hint}.',
    )


def _utterance(row: cells.Cells, found_at: places.Places, origin: str) -> utterance.Utterance:
  path, uri = found_at.find(row.required('path'))
  excerpt = row.excerpt()
  clip_id = errors.shown(row.required('id')) if row.has('id') else _part_id(path, excerpt)
  return utterance.Utterance(
    utterance_id=clip_id,
    label=row.required('label', reason='no_label'),
    speaker_id=row.required('speaker', reason='no_speaker') if row.has('speaker') else clip_id,
    uri=uri,
    split=row.split(),
    fields=tuple(
      (name, errors.without_secrets(row.values.get(name, ''))) for name in row.columns.fields
    ),
    excerpt=excerpt,
    origin=origin,
  )


def _folder(corpus: corpus_lib.Corpus, settings: Table) -> str:
  return places.root_of(corpus.folder, settings.root).rstrip('/')


def _part_id(path: str, excerpt: utterance.Excerpt | None) -> str:
  if excerpt is None:
    return path
  length = _plain(excerpt.duration_s) if excerpt.duration_s else ''
  return f'{path}#{_plain(excerpt.start_s)}-{length}'


def _plain(seconds: float) -> str:
  return repr(seconds).removesuffix('.0')


SOURCE = source.Source(
  settings=Table,
  list_utterances=list_utterances,
  example_tree=('no/1.flac', 'no/2.flac', 'yes/1.flac', 'yes/2.flac', 'long.wav'),
  example_files={
    'clips.csv': b'path,label,speaker,split,start,duration\n'
    b'no/1.flac,no,anna,train,,\n'
    b'no/2.flac,no,ben,,,\n'
    b'yes/1.flac,yes,anna,train,,\n'
    b'yes/2.flac,yes,ben,,,\n'
    b'long.wav,yes,cleo,test,0.5,1\n'
    b'long.wav,no,cleo,test,12,1.25\n'
  },
  takes_file=True,
  is_streamed=True,
  root=_folder,
)
