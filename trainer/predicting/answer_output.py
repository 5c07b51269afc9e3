"""Where answers go: to stdout, to a file that is there whole or not at all, or a file for each."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from exports import answer_rows, answer_tables, submissions
from schemas import errors
from tfrecords import storage

FORMATS = (
  *(answer_rows.TEXT, answer_rows.JSONL, answer_rows.CSV, submissions.SUBMISSION),
  *(submissions.KAGGLE, answer_tables.PARQUET, answer_rows.AUDACITY),
)
# Those in which an answer is a file of its own kind, and not the row of a window.
OF_WHOLE_FILES = (submissions.SUBMISSION, submissions.KAGGLE)
_ENDING = '.txt'

Rows = Iterable[answer_rows.Row]
ToLines = Callable[[Rows], Iterator[str]]


def check(path: str, form: str) -> None:
  """Raises ConfigError, before anything is computed, for an --output that there cannot be."""
  if not path:
    if form == answer_tables.PARQUET:
      raise errors.ConfigError(
        f'--format={form} is no text: name a file for it with --output=FILE.{form}.'
      )
    return
  storage.check_output(path)
  if '://' in path:
    return
  folder = os.path.dirname(os.path.abspath(path))
  if form != answer_rows.AUDACITY and os.path.isdir(path):
    raise errors.ConfigError(f'--output={path} is a folder. Name a file for the answers.')
  if not os.path.isdir(folder):
    raise errors.ConfigError(
      f'--output={path}: there is no folder {folder!r}. Make it, or name another place.'
    )


def check_outside(path: str, folders: Iterable[str]) -> None:
  """Raises ConfigError if the answers would come to lie in what is asked, or replace a part."""
  if '://' in path or not path:
    return
  target = os.path.realpath(path)
  for folder in folders:
    if '://' not in folder and f'{target}/'.startswith(f'{os.path.realpath(folder)}/'):
      raise errors.ConfigError(
        f'--output={path} lies in {folder!r}, whose files it might replace. Name another place.'
      )


def check_not_read(path: str, files: Iterable[str]) -> None:
  """Raises ConfigError if the answers would replace one of the files that they are of."""
  name = os.path.basename(path)
  for file in files:
    if os.path.basename(file) == name and os.path.exists(path) and os.path.samefile(file, path):
      raise errors.ConfigError(
        f'--output={path} is one of the files that are to be predicted, and would be replaced. '
        'Name another.'
      )


def print_lines(lines: Iterable[str]) -> None:
  """Prints lines as they come; a name that the terminal cannot show, by escapes."""
  for line in lines:
    try:
      print(line)
    except UnicodeEncodeError:
      coding = sys.stdout.encoding
      print(line.encode(coding, 'backslashreplace').decode(coding))


def write_lines(lines: Iterable[str], path: str) -> None:
  """Writes a file of lines, whole or not at all.

  Raises:
    DatasetError: if the disk does not take it.
  """

  def write(stream: BinaryIO) -> None:
    for line in lines:
      stream.write(answer_rows.to_bytes(line))

  _write(write, path)


def write_table(rows: Rows, columns: answer_rows.Columns, path: str) -> None:
  """Writes a Parquet file, whole or not at all.

  Raises:
    DatasetError: if the disk does not take it.
  """
  _write(lambda stream: answer_tables.write(rows, columns, stream), path)


def _write(write: Callable[[BinaryIO], None], path: str) -> None:
  with storage.naming_failures(f'the answers to {path!r}', path=path):
    with storage.storage_of(path).writing(path) as stream:
      write(stream)


def check_tracks(files: Sequence[str], output: str) -> None:
  """Raises ConfigError where --output does not go with so many label tracks."""
  if len(files) > 1 and (not output or os.path.isfile(output)):
    raise errors.ConfigError(
      f'--format=audacity writes a track for each recording, and there are {len(files):,}: name a '
      f'folder for them with --output=FOLDER{f", {output} is a file" if output else ""}.'
    )
  if len(files) == 1 and os.path.isdir(output):
    raise errors.ConfigError(
      f'--output={output} is a folder, and there is one recording. Name a file for its labels.'
    )
  track_names(files)


def track_names(files: Sequence[str]) -> dict[str, str]:
  """Returns what the label track of each recording is called in a folder of them.

  Its path below the folder that all have in common, and the ending.

  Raises:
    ConfigError: if a recording is named twice.
  """
  paths = [os.path.abspath(file) for file in files]
  shared = os.path.commonpath([os.path.dirname(path) for path in paths])
  if len(set(paths)) < len(paths):
    twice = next(file for file, path in zip(files, paths, strict=True) if paths.count(path) > 1)
    raise errors.ConfigError(f'{twice!r} is named twice: name it once.')
  return {
    file: os.path.relpath(path, shared) + _ENDING for file, path in zip(files, paths, strict=True)
  }


def write_tracks(
  rows: Rows, columns: answer_rows.Columns, folder: str, names: dict[str, str]
) -> None:
  """Writes a label track of Audacity for each recording, each whole or not at all.

  Args:
    rows: Windows, those of a recording behind each other. Of one that cannot be heard at all there
      is no track.
    columns: What is said in them.
    folder: Where to.
    names: As track_names says.

  Raises:
    DatasetError: if the disk does not take them.
  """
  files = storage.storage_of(folder)
  for file, group in itertools.groupby(rows, key=lambda row: row.name):
    windows = iter(group)
    first = next(windows)
    if first.error:
      continue
    path = files.join(folder, names[file])
    with storage.naming_failures(f'the labels to {path!r}', path=path):
      files.make_dirs(path.rpartition('/')[0])
    write_lines(answer_rows.audacity_lines(itertools.chain([first], windows), columns), path)
