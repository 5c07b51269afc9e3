"""The listing that all sources share: every file of the medium becomes a clip or a reject."""

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import passed_by, source
from schemas import errors, rejects, utterance
from schemas import medium as media
from schemas.rejects import ClipError

_ONE: dict[str, str] = {media.AUDIO: 'audio file', media.PICTURES: 'picture'}
_CONVERT = {media.AUDIO: 'convert others, or', media.PICTURES: 'convert others to PNG, or'}
_ALL_FILES = 'let the data job take all that a decoder reads with --all_files, '


def paths_of(
  corpus: corpus_lib.Corpus,
  *,
  medium: str = media.AUDIO,
  passed: passed_by.PassedBy | None = None,
) -> list[str]:
  """Returns the sorted paths of all files of the medium; SourceError if there is none.

  Args:
    corpus: Where to look.
    medium: One of schemas.medium.MEDIA.
    passed: Is told of everything else.
  """
  if paths := corpus.entries(media.SUFFIXES[medium], passed):
    return paths
  counts = list(corpus.count_by_suffix().items())
  there = errors.some([f'{count} {suffix}' for suffix, count in counts], 5)
  may_be_more = medium == media.AUDIO and counts and not corpus.all_files
  remedy = f'{_ALL_FILES if may_be_more else ""}{_CONVERT[medium]}'
  raise errors.SourceError(
    f'There is no {_ONE[medium]} below {corpus.folder}. It holds: {there or "no files"}. '
    f'Files that end with {", ".join(media.SUFFIXES[medium])} are read; {remedy} '
    'name the right folder with --input=FOLDER.'
  )


def read_entries(
  corpus: corpus_lib.Corpus,
  read_path: Callable[[str], utterance.Utterance],
  *,
  medium: str = media.AUDIO,
  paths: Iterable[str] | None = None,
  check: Callable[[list[str]], None] | None = None,
) -> Iterator[source.Entry]:
  r"""Yields what `read_path` makes of each file of the medium, sorted by path; opens none.

  Where it lists them itself, what else is there is told behind them.

  A name that is not UTF-8 could not be written to records or JSON: it is rejected here, with its
  odd bytes spelled as `\xe9`.

  Args:
    corpus: Where to look.
    read_path: Takes a path relative to the corpus and gives its clip, or raises ClipError.
    medium: One of schemas.medium.MEDIA: which files are looked at.
    paths: Only these; None for all that there are.
    check: Is given all that there are before the first is read, to refuse them or to look around.

  Raises:
    SourceError: if there is no such file at all, or none that is a clip. The rejects before the
      first clip are held back until there is one.
  """

  def entry(path: str) -> source.Entry:
    try:
      if is_utf8(path):
        clip = read_path(path)
        state = corpus.state(path)
        return dataclasses.replace(clip, state=state) if state else clip
      raise ClipError('bad_name', 'The name must be UTF-8, and some of its bytes are not.')
    except ClipError as error:
      return error.reject(passed_by.spelled(path), passed_by.spelled(corpus.uri(path)))

  passed = passed_by.PassedBy()
  listed: list[str] = []
  if paths is None:
    paths = listed = paths_of(corpus, medium=medium, passed=passed)
    if check:
      check(listed)
  held_back = yield from until_a_clip(map(entry, paths))
  if held_back:
    first = held_back[0]
    raise errors.SourceError(
      f'None of the {len(held_back)} {_ONE[medium]}s below {corpus.folder} is a clip of this '
      f'source. The first is {first.utterance_id!r}: {first.detail} '
      'Take another --source, or other settings for it.'
    )
  yield from passed.notes(listed)


def until_a_clip(
  entries: Iterable[source.Entry], most: int | None = None
) -> Generator[source.Entry, None, list[rejects.Reject] | None]:
  """Yields the entries as soon as there is one that is no reject; returns the rejects if none is.

  Args:
    entries: What a source lists.
    most: So many rejects without a clip: the rest will be no better, and is not held in memory.

  Returns:
    None where there was a clip.
  """
  entries = iter(entries)
  held_back: list[rejects.Reject] = []
  for entry in entries:
    if not isinstance(entry, rejects.Reject):
      yield from held_back
      yield entry
      yield from entries
      return None
    held_back.append(entry)
    if len(held_back) == most:
      break
  return held_back


def is_utf8(text: str) -> bool:
  """Whether a text can be written to records and JSON: it holds no byte that was no UTF-8."""
  try:
    text.encode('utf-8')
  except UnicodeEncodeError:
    return False
  return True
