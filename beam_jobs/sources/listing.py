"""The listing that all sources share: every audio file becomes a clip or a reject, in order."""

import os
from collections.abc import Callable, Iterator

from beam_jobs import corpus as corpus_lib
from beam_jobs.sources import source
from schemas import errors, rejects


def read_entries(
  corpus: corpus_lib.Corpus,
  read_path: Callable[[str], source.Entry],
  *,
  left_out: tuple[str, ...] = (),
) -> Iterator[source.Entry]:
  r"""Yields what `read_path` makes of each audio file, sorted by path; opens none.

  A name that is not UTF-8 could not be written to records or JSON: it is rejected here, with its
  odd bytes spelled as `\xe9`.

  Args:
    corpus: Where to look.
    read_path: Takes a path relative to the corpus and gives an Utterance or a Reject.
    left_out: Paths that start so are no clips and no rejects either.

  Raises:
    SourceError: if there is no audio file at all, or none that is a clip. The rejects before the
      first clip are held back until there is one.
  """
  paths = [
    path for path in corpus.entries(corpus_lib.AUDIO_SUFFIXES) if not path.startswith(left_out)
  ]
  if not paths:
    raise _no_audio(corpus)
  held_back: list[rejects.Reject] = []
  any_clip = False
  for path in paths:
    entry = read_path(path) if _is_utf8(path) else _undecodable(corpus, path)
    if any_clip:
      yield entry
    elif isinstance(entry, rejects.Reject):
      held_back.append(entry)
    else:
      any_clip = True
      yield from held_back
      held_back = []
      yield entry
  if not any_clip:
    first = held_back[0]
    raise errors.SourceError(
      f'None of the {len(paths)} audio files below {corpus.folder} is a clip of this source. '
      f'The first is {first.utterance_id!r}: {first.detail} '
      'Take another --source, or other settings for it.'
    )


def reject(corpus: corpus_lib.Corpus, path: str, *, reason: str, detail: str) -> rejects.Reject:
  """Returns the reject for the file at a path relative to the corpus."""
  return rejects.Reject(utterance_id=path, uri=corpus.uri(path), reason=reason, detail=detail)


def _is_utf8(path: str) -> bool:
  try:
    path.encode('utf-8')
  except UnicodeEncodeError:
    return False
  return True


def _undecodable(corpus: corpus_lib.Corpus, path: str) -> rejects.Reject:
  def spelled(text: str) -> str:
    return os.fsencode(text).decode('utf-8', 'backslashreplace')

  return rejects.Reject(
    utterance_id=spelled(path),
    uri=spelled(corpus.uri(path)),
    reason='bad_name',
    detail='The name must be UTF-8, and some of its bytes are not.',
  )


def _no_audio(corpus: corpus_lib.Corpus) -> errors.SourceError:
  counts = list(corpus.count_by_suffix().items())
  there = ', '.join(f'{count} {suffix}' for suffix, count in counts[:5])
  more = ', ...' if len(counts) > 5 else ''
  return errors.SourceError(
    f'There is no audio file below {corpus.folder}. It holds: {there or "no files"}{more}. '
    f'Files that end with {", ".join(corpus_lib.AUDIO_SUFFIXES)} are read; convert others, or '
    'name the right folder with --input=FOLDER.'
  )
