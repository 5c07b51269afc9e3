"""The listing that all sources share: every file of the medium becomes a clip or a reject."""

from collections.abc import Callable, Generator, Iterable, Iterator

from beam_jobs.sources import corpus as corpus_lib
from beam_jobs.sources import source
from schemas import errors, rejects
from schemas import medium as media

_ONE: dict[str, str] = {media.AUDIO: 'audio file', media.PICTURES: 'picture'}
_CONVERT = {media.AUDIO: 'convert others, or', media.PICTURES: 'convert others to PNG, or'}


def read_entries(
  corpus: corpus_lib.Corpus,
  read_path: Callable[[str], source.Entry],
  *,
  medium: str = media.AUDIO,
) -> Iterator[source.Entry]:
  r"""Yields what `read_path` makes of each file of the medium, sorted by path; opens none.

  A name that is not UTF-8 could not be written to records or JSON: it is rejected here, with its
  odd bytes spelled as `\xe9`.

  Args:
    corpus: Where to look.
    read_path: Takes a path relative to the corpus and gives an Utterance or a Reject.
    medium: One of schemas.medium.MEDIA: which files are looked at.

  Raises:
    SourceError: if there is no such file at all, or none that is a clip. The rejects before the
      first clip are held back until there is one.
  """
  return read_paths(corpus, paths_of(corpus, medium=medium), read_path, medium=medium)


def paths_of(corpus: corpus_lib.Corpus, *, medium: str = media.AUDIO) -> list[str]:
  """Returns the sorted paths of all files of the medium; SourceError if there is none."""
  paths = corpus.entries(corpus_lib.SUFFIXES[medium])
  if not paths:
    raise nothing_there(corpus, medium)
  return paths


def read_paths(
  corpus: corpus_lib.Corpus,
  paths: Iterable[str],
  read_path: Callable[[str], source.Entry],
  *,
  medium: str = media.AUDIO,
) -> Iterator[source.Entry]:
  """Yields what `read_path` makes of each path, as read_entries does."""
  entries = (read_path(path) if is_utf8(path) else _undecodable(corpus, path) for path in paths)
  held_back = yield from until_a_clip(entries)
  if held_back:
    first = held_back[0]
    raise errors.SourceError(
      f'None of the {len(held_back)} {_ONE[medium]}s below {corpus.folder} is a clip of this '
      f'source. The first is {first.utterance_id!r}: {first.detail} '
      'Take another --source, or other settings for it.'
    )


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


def reject(corpus: corpus_lib.Corpus, path: str, *, reason: str, detail: str) -> rejects.Reject:
  """Returns the reject for the file at a path relative to the corpus."""
  return rejects.Reject(utterance_id=path, uri=corpus.uri(path), reason=reason, detail=detail)


def is_utf8(text: str) -> bool:
  """Whether a text can be written to records and JSON: it holds no byte that was no UTF-8."""
  try:
    text.encode('utf-8')
  except UnicodeEncodeError:
    return False
  return True


def spelled(text: str) -> str:
  r"""Returns a text with its bytes that are no UTF-8 spelled as `\xe9`."""
  return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')


def nothing_there(corpus: corpus_lib.Corpus, medium: str) -> errors.SourceError:
  """Returns the error for a folder without files of the medium: it says what there is instead."""
  counts = list(corpus.count_by_suffix().items())
  there = ', '.join(f'{count} {suffix}' for suffix, count in counts[:5])
  more = ', ...' if len(counts) > 5 else ''
  return errors.SourceError(
    f'There is no {_ONE[medium]} below {corpus.folder}. It holds: {there or "no files"}{more}. '
    f'Files that end with {", ".join(corpus_lib.SUFFIXES[medium])} are read; {_CONVERT[medium]} '
    'name the right folder with --input=FOLDER.'
  )


def _undecodable(corpus: corpus_lib.Corpus, path: str) -> rejects.Reject:
  return rejects.Reject(
    utterance_id=spelled(path),
    uri=spelled(corpus.uri(path)),
    reason='bad_name',
    detail='The name must be UTF-8, and some of its bytes are not.',
  )
