"""Which raw files there are: the rows of a table, or the folders of labels.

The columns are those of the data job's source `table`, the folders those of its source `folders`,
with their usual names; so the ids and speakers of clips are the same.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import os
import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence

from schemas import errors, options, splits, utterance
from schemas import medium as media
from tfrecords import paths

TABLE = 'table'
FOLDERS = 'folders'
# So many endings or folders are named.
_MOST = 5
AUDIO_ENDINGS = ('.wav', '.flac', '.ogg', '.mp3')

_PATH, _LABEL = 'path', 'label'
_SPEAKERS = utterance.USUAL_COLUMNS['speaker']
_SPLIT = 'split'
_PARTS = utterance.USUAL_COLUMNS['start']  # Of a clip in a longer recording.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
  """One raw file.

  Attributes:
    clip_id: Its path, relative to the folder of the table where it lies below that.
    path: Where it is.
    label: What is to be learned.
    speaker: Who speaks; the id where nobody says.
    split: The official split, or ''.
    origin: Such as `clips.csv, row 12`.
  """

  clip_id: str
  path: str
  label: str
  speaker: str
  split: str
  origin: str


def read_table(path: str) -> list[Clip]:
  """Returns the clips of a CSV or TSV table, in its order.

  Raises:
    DatasetError: if the table is missing or malformed; the sentence names the row.
  """
  name = os.path.basename(path)
  try:
    with open(path, encoding='utf-8-sig', newline='') as stream:
      rows = list(csv.reader(stream, delimiter=_delimiter(path), strict=True))
  except (OSError, UnicodeDecodeError, csv.Error) as error:
    raise errors.DatasetError(
      f'Could not read the table {path!r}: {getattr(error, "strerror", None) or error}. Wanted a '
      'CSV or TSV in UTF-8 whose first row names the columns, such as path,label,speaker,split.'
    ) from error
  if not rows:
    raise errors.DatasetError(
      f'The table {path!r} is empty. Wanted a first row such as path,label,speaker,split.'
    )
  header = [cell.strip() for cell in rows[0]]
  _check_header(name, header)
  root = os.path.dirname(os.path.abspath(path))
  return [
    _clip(_cells(header, row, f'{name}, row {number}'), root, f'{name}, row {number}')
    for number, row in enumerate(rows[1:], start=2)
    if any(cell.strip() for cell in row)
  ]


def read_folders(root: str) -> list[Clip]:
  """Returns the audio files below a folder, sorted; the first folder of each is its label.

  Raises:
    DatasetError: if there is no folder, or no audio file in a folder of it.
  """
  if not os.path.isdir(root):
    raise errors.DatasetError(
      f'There is no folder {root!r}. Wanted one with a folder for each label, in which audio lies.'
    )
  clips = []
  for clip_id in sorted(_audio_below(root)):
    label, _, rest = clip_id.partition('/')
    if rest:
      path = os.path.join(root, clip_id)
      clips.append(
        Clip(
          clip_id=clip_id,
          path=path,
          label=utterance.tidy(label),
          speaker=clip_id,
          split='',
          origin=clip_id,
        )
      )
  if not clips:
    others = [path for path in _files_below(root) if path.lower().endswith(media.AUDIO_SUFFIXES)]
    if others and all('/' in path for path in others):
      endings = sorted({media.ending_of(posixpath.basename(path)) for path in others})
      raise errors.DatasetError(
        f'The folders of {root!r} hold {errors.counted(len(others), "recording")} '
        f'({errors.some(endings, _MOST)}), of which none is read here: without a data job that is '
        f'{", ".join(AUDIO_ENDINGS)}. {by_data_job(FOLDERS, root)}'
      )
    raise errors.DatasetError(
      f'No folder of {root!r} holds audio ({", ".join(AUDIO_ENDINGS)}). Wanted a folder for each '
      'label; name their parent, or a table with --data=table:FILE.'
    )
  labels = sorted({clip.label for clip in clips})
  if len(labels) > 1 and all(map(splits.is_name, labels)):
    raise errors.DatasetError(
      f'The folders {", ".join(labels)} of {root!r} are all named like splits, and would be the '
      'labels. The data job takes them as splits (python -m beam_jobs.featurize '
      '--source=folders:split_level=0,label_level=1); here name one of them, or a table with a '
      'column split.'
    )
  return clips


def passed_by(root: str, clips: Sequence[Clip]) -> list[str]:
  """Returns what is to be said of files below a folder that are not read, sentences."""
  counts: collections.Counter[str] = collections.Counter()
  folders = set()
  for path in _files_below(root):
    if '/' in path:
      folders.add(path.partition('/')[0])
    if not path.lower().endswith(AUDIO_ENDINGS):
      counts[media.ending_of(posixpath.basename(path))] += 1
  del counts['']  # What usually lies beside audio.
  said = []
  if counts:
    shown = errors.some([f'{count:,} {ending}' for ending, count in sorted(counts.items())], _MOST)
    said.append(
      f'Files were passed by: {shown}. Without a data job {", ".join(AUDIO_ENDINGS)} are read. '
      f'{by_data_job(FOLDERS, root)}'
    )
  empty = sorted(folders - {clip.clip_id.partition('/')[0] for clip in clips})
  if empty:
    shown = errors.some(empty, _MOST)
    said.append(f'There is no clip in these folders: if one is a label, it has none. ({shown})')
  return said


def by_data_job(kind: str, path: str) -> str:
  """Returns what to do where files are not read here, of a phone for instance: two commands.

  Args:
    kind: TABLE or FOLDERS.
    path: The table, or the folder.
  """
  output = shlex.quote(f'{os.path.splitext(path.rstrip("/"))[0]}_features')
  return (
    'The data job reads what libsndfile and FFmpeg do, M4A too, at any rate: `python -m '
    f'beam_jobs.featurize --source={kind} --input={shlex.quote(path)} --output={output}`, then '
    f'`python -m trainer --data={output}`.'
  )


def _audio_below(root: str) -> Iterator[str]:
  return (path for path in _files_below(root) if path.lower().endswith(AUDIO_ENDINGS))


def _files_below(root: str) -> Iterator[str]:
  """Yields paths relative to `root`, with `/` between folders."""
  for folder, _, names in os.walk(root, followlinks=True):
    for name in names:
      if not name.startswith('.'):
        yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, '/')


def _delimiter(path: str) -> str:
  """Returns what stands between cells: by the ending, in a .csv by what the header has most of."""
  if path.lower().endswith(('.tsv', '.tab')):
    return '\t'
  with open(path, encoding='utf-8-sig') as stream:
    header = stream.readline()
  return max((',', ';', '\t'), key=header.count)


def _check_header(name: str, header: Sequence[str]) -> None:
  for wanted in (_PATH, _LABEL):
    if wanted not in header:
      raise errors.DatasetError(
        f'The table {name} has no column {wanted!r}.{options.did_you_mean(wanted, header)} It has: '
        f'{", ".join(header)}. Rename a column, or let the data job read the table '
        '(--source=table:path_column=...).'
      )
  parts = [column for column in header if column in _PARTS]
  if parts:
    raise errors.DatasetError(
      f'The table {name} has a column {parts[0]!r}: its clips are parts of recordings, which the '
      'data job cuts (python -m beam_jobs.featurize --source=table). Without a data job each row '
      'is a whole file.'
    )


def _cells(header: Sequence[str], row: Sequence[str], origin: str) -> Mapping[str, str]:
  if len(row) != len(header):
    raise errors.DatasetError(
      f'{origin}: wanted {len(header)} cells, as the first row has, got {len(row)}.'
    )
  return {name: cell.strip() for name, cell in zip(header, row, strict=True)}


def _clip(cells: Mapping[str, str], root: str, origin: str) -> Clip:
  column = next((name for name in _SPEAKERS if name in cells), '')
  for name in (_PATH, _LABEL, *filter(None, [column])):
    if not cells[name]:
      raise errors.DatasetError(f'{origin}: the column {name!r} is empty. Fill it in.')
  split = splits.SPLIT_OF.get(cells.get(_SPLIT, '').lower(), '')
  if cells.get(_SPLIT) and not split:
    raise errors.DatasetError(
      f'{origin}: wanted the split as {", ".join(splits.SPLIT_OF)} or empty, got {cells[_SPLIT]!r}.'
    )
  clip_id, path = _place(cells[_PATH], root, origin)
  return Clip(
    clip_id=clip_id,
    path=path,
    label=utterance.tidy(cells[_LABEL]),
    speaker=utterance.tidy(cells[column]) if column else clip_id,
    split=split,
    origin=origin,
  )


def _place(path: str, root: str, origin: str) -> tuple[str, str]:
  """Returns a path as an id, and where the file is."""
  if '://' in path:
    raise errors.DatasetError(
      f'{origin}: {path!r} is not on this machine. Copy the files here, or let the data job read '
      'them.'
    )
  path = paths.with_slashes(root, posixpath.normpath(path))
  clip_id = path.removeprefix(f'{root.rstrip("/")}/')
  return clip_id, os.path.join(root, paths.on_disk(root, path))
