"""Common Voice: the folder of one language of a release, as Mozilla's data set is unpacked.

Layout: `validated.tsv` with one row per clip that listeners have confirmed, the official lists
`train.tsv`, `dev.tsv` and `test.tsv` (a part of the same clips, no voice in two of them), and
`clips/*.mp3` (commonvoice.mozilla.org, CC0; 48 or 32 kHz). Columns differ between releases:
`accent` became `accents`, and `male`, `female` became `male_masculine`, `female_feminine`.
"""

import collections
import dataclasses
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import source
from beam_jobs.sources.tables import first_rows, rows
from schemas import errors, options, rejects, splits, utterance
from schemas.rejects import ClipError

VALIDATED, OFFICIAL = 'validated', 'official'
_TABLES: Mapping[str, Sequence[tuple[str, str]]] = {
  VALIDATED: (('validated.tsv', ''),),
  OFFICIAL: (
    ('train.tsv', splits.TRAIN),
    ('dev.tsv', splits.VALIDATION),
    ('test.tsv', splits.TEST),
  ),
}
CLIPS = 'clips'

# Every label that can be asked for, and its column in newer and older releases.
_COLUMNS: Mapping[str, Sequence[str]] = {
  'age': ('age',),
  'gender': ('gender',),
  'accent': ('accents', 'accent'),
  'sentence': ('sentence',),
  'client_id': ('client_id',),
}
# As releases spell them, `fourties` included.
AGES = (
  'teens',
  'twenties',
  'thirties',
  'fourties',
  'fifties',
  'sixties',
  'seventies',
  'eighties',
  'nineties',
)
# One name for what releases name differently, and '' for what says nothing.
_SAME = {
  'male_masculine': 'male',
  'female_feminine': 'female',
  'forties': 'fourties',
  'do_not_wish_to_say': '',
}


_NAMED_ALIKE = ('accent', 'age', 'gender')
_NO_FIELDS = ('client_id', 'path', 'accents')


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonVoice:
  """What is to be learned of a clip, and which lists say what there is.

  Attributes:
    label: `age`, `gender`, `accent`, `sentence` or `client_id` (who speaks: then split with
      --split_by=clip). Rows that leave it open are counted and left out.
    lists: `validated`, all confirmed clips without an official split; or `official`, the smaller
      lists with one.
    oldest: With the label `age`, this band and all above are one, such as `sixties` for
      `sixties_plus`; empty for every band by itself.
  """

  label: str = 'age'
  lists: str = VALIDATED
  oldest: str = ''

  def __post_init__(self) -> None:
    for name, value, known in (
      ('label', self.label, tuple(_COLUMNS)),
      ('lists', self.lists, tuple(_TABLES)),
      ('oldest', self.oldest or AGES[0], AGES),
    ):
      if value not in known:
        raise errors.ConfigError(
          f'{name} must be one of {", ".join(known)}, got {value!r}.'
          f'{options.did_you_mean(value, known)}'
        )
    if self.oldest and self.label != 'age':
      raise errors.ConfigError(
        f'oldest={self.oldest} merges bands of age, and the label is {self.label}. Leave one out.'
      )


def list_utterances(corpus: corpus_lib.Corpus, settings: CommonVoice) -> Iterator[source.Entry]:
  """Yields one Utterance per row with a label, in the order of the lists; a Reject per bad row.

  Rows are read as they come. What is kept of each are 18 to 36 bytes, by which a clip that stands
  twice is found.

  Args:
    corpus: The folder of a language.
    settings: The label and the lists.

  Raises:
    SourceError: if the folder or one of its lists is missing, has no such column, or no row has
      a label.
  """
  corpus.check()
  seen = first_rows.FirstRows()
  left_out = num_clips = num_rows = 0
  for name, split in _TABLES[settings.lists]:
    for entry in _entries(corpus, name, split, seen, settings=settings):
      num_rows += 1
      if entry is None:
        left_out += 1
      else:
        num_clips += isinstance(entry, utterance.Utterance)
        yield entry
  if not num_clips:
    names = ', '.join(name for name, _ in _TABLES[settings.lists])
    raise errors.SourceError(
      f'None of the {num_rows} rows of {names} in {corpus.folder} gives the {settings.label} of a '
      f'clip ({left_out} leave it open). Take another label, or see that --input is the folder of '
      'a language of Common Voice.'
    )
  if left_out:
    yield rejects.LeftOut(reason='no_label', count=left_out)


def _entries(
  corpus: corpus_lib.Corpus,
  name: str,
  split: str,
  seen: first_rows.FirstRows,
  *,
  settings: CommonVoice,
) -> Iterator[source.Entry | None]:
  """Yields the clip of each row of a table, why there is none, or None where the label is open."""
  if not corpus.has(name):
    raise _no_table(corpus, name, settings)
  table = corpus.uri(name)
  _check_columns(corpus, name, rows.columns_of(table, rows.TAB), settings)
  # No field is in quotes: a sentence may begin with one.
  for row in rows.read(table, delimiter=rows.TAB, quotes=False, is_lenient=True):
    origin = f'{name}, row {row.number}'
    try:
      path = _checked_path(row, seen)
      label = _label(row.values, settings)
      if label and not row.values['client_id']:
        raise ClipError('no_speaker', 'Its client_id is empty.')
    except ClipError as error:
      yield error.reject(origin, table, origin)
      continue
    if not label:
      yield None
      continue
    yield utterance.Utterance(
      utterance_id=path,
      speaker_id=row.values['client_id'],
      label=label,
      uri=corpus.uri(path),
      split=split,
      fields=_fields(row.values),
      origin=origin,
    )


def _check_columns(
  corpus: corpus_lib.Corpus, name: str, columns: Sequence[str], settings: CommonVoice
) -> None:
  for wanted in (('client_id',), ('path',), _COLUMNS[settings.label]):
    if not set(wanted) & set(columns):
      raise errors.SourceError(
        f'{corpus.uri(name)} has no column {" or ".join(wanted)}. It has: '
        f'{", ".join(columns) or "none"}. Take another label, or a table as Common Voice writes it.'
      )


def _checked_path(row: rows.Row, seen: first_rows.FirstRows) -> str:
  """Returns `clips/<name>.mp3` of a row and notes it as seen; raises ClipError if there is none."""
  if row.problem:
    raise ClipError('bad_row', row.problem)
  name = row.values['path']
  if not name or '/' in name or '\\' in name or name in ('.', '..'):
    raise ClipError('bad_row', f'Wanted the name of a file in {CLIPS}/, got {name!r}.')
  # The first releases leave the ending out.
  path = f'{CLIPS}/{name}' if posixpath.splitext(name)[1] else f'{CLIPS}/{name}.mp3'
  if seen.first(path, row.number):
    raise ClipError('duplicate', f'{path} stands in an earlier row too.')
  return path


def _fields(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
  """Returns all that a row says beside speaker and file, under one name in all releases."""
  fields = {name: value for name, value in row.items() if name not in _NO_FIELDS}
  return tuple(sorted({**fields, **{name: _value(row, name) for name in _NAMED_ALIKE}}.items()))


def _value(row: Mapping[str, str], name: str) -> str:
  column = next((column for column in _COLUMNS[name] if column in row), '')
  value = row.get(column, '')
  return _SAME.get(value, value) if name in ('age', 'gender') else value


def _label(row: Mapping[str, str], settings: CommonVoice) -> str:
  value = _value(row, settings.label)
  is_oldest = settings.oldest and value in AGES[AGES.index(settings.oldest) :]
  return f'{settings.oldest}_plus' if is_oldest else value


def _no_table(corpus: corpus_lib.Corpus, name: str, settings: CommonVoice) -> errors.SourceError:
  folders = collections.Counter(
    path.partition('/')[0]
    for path in corpus.entries(('.tsv',))
    if path.count('/') == 1 and path.endswith(f'/{name}')
  )
  where = f' There is one in {", ".join(sorted(folders))}: is it one of these?' if folders else ''
  return errors.SourceError(
    f'There is no {name} in {corpus.folder}, which lists={settings.lists} reads.{where} Name the '
    'folder of one language of a release of Common Voice with --input=FOLDER.'
  )


_EXAMPLE_COLUMNS = 'client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale'
_EXAMPLE_ROWS = (
  'a1\tcommon_voice_en_1.mp3\t"Yes," she said.\t2\t0\ttwenties\tfemale\t\ten',
  'a1\tcommon_voice_en_2.mp3\tNo.\t2\t0\ttwenties\tfemale\t\ten',
  'b2\tcommon_voice_en_3.mp3\tUp.\t2\t0\tsixties\tmale\tScottish English\ten',
  'c3\tcommon_voice_en_5.mp3\tDown.\t2\t0\t\t\t\ten',
  'd4\tcommon_voice_en_4.mp3\tLeft.\t2\t1\tfourties\tother\t\ten',
)

SOURCE = source.Source(
  settings=CommonVoice,
  list_utterances=list_utterances,
  example_tree=tuple(f'{CLIPS}/common_voice_en_{number}.mp3' for number in range(1, 6)),
  example_files={'validated.tsv': '\n'.join([_EXAMPLE_COLUMNS, *_EXAMPLE_ROWS, '']).encode()},
)
