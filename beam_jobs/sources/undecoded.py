"""Counts the clips that nothing here will decode, before any is opened."""

import collections
import functools
import os
from collections.abc import Iterable, Iterator
from typing import Any

from schemas import medium as media
from schemas import rejects, utterance

_REASON = 'no_decoder'


def told(entries: Iterable[Any], medium: str) -> Iterator[Any]:
  """Yields the entries of a source; behind them a Noted for each ending that wants FFmpeg.

  Where FFmpeg is installed, or the files are pictures, there is none.
  """
  if medium != media.AUDIO:
    yield from entries
    return
  has_ffmpeg = functools.cache(_has_ffmpeg)
  counts: collections.Counter[str] = collections.Counter()
  names: dict[str, list[str]] = collections.defaultdict(list)
  for entry in entries:
    if isinstance(entry, utterance.Utterance):
      suffix = os.path.splitext(entry.uri)[1].lower()
      if suffix in media.FFMPEG_SUFFIXES and not has_ffmpeg():
        counts[suffix] += 1
        if len(names[suffix]) < rejects.MOST_NAMES:
          names[suffix].append(entry.utterance_id)
    yield entry
  for suffix, count in sorted(counts.items()):
    first = tuple(sorted(names[suffix]))
    yield rejects.Noted(reason=_REASON, what=suffix, count=count, names=first)


def _has_ffmpeg() -> bool:
  # Here, not above: a listing does without NumPy.
  from features.decoding import ffmpeg  # noqa: PLC0415

  return ffmpeg.is_installed()


def sentence(notes: Iterable[Any]) -> str:
  """Returns what a user should know before such files are rejected; '' where there are none."""
  counts = [
    f'{note.count:,} {note.what}'
    for note in notes
    if isinstance(note, rejects.Noted) and note.reason == _REASON
  ]
  return (
    f'No decoder for {", ".join(counts)} files: they will be rejects. {rejects.NOTED[_REASON]}'
    if counts
    else ''
  )
