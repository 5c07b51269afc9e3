"""Small corpora of empty files."""

import pathlib

from beam_jobs import sources
from beam_jobs.sources import corpus as corpus_lib
from schemas import rejects, utterance


def make(root: pathlib.Path, *paths: str) -> corpus_lib.Corpus:
  """Creates empty files below `root` and returns the corpus."""
  for path in paths:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
  return corpus_lib.Corpus(str(root))


def read(name: str, corpus: corpus_lib.Corpus, **settings):
  """Returns all entries of a source."""
  source = sources.SOURCES[name]
  return list(source.list_utterances(corpus, source.settings(**settings)))


def left_out(name: str, corpus: corpus_lib.Corpus, **settings):
  """Returns how many clips a source leaves out, by reason."""
  entries = read(name, corpus, **settings)
  return {e.reason: e.count for e in entries if isinstance(e, rejects.LeftOut)}


def noted(name: str, corpus: corpus_lib.Corpus, **settings):
  """Returns what is noted of a listing: (reason, kind) -> (count, names)."""
  source = sources.SOURCES[name]
  entries = source.entries(corpus, source.settings(**settings))
  found = (entry for entry in entries if isinstance(entry, rejects.Noted))
  return {(note.reason, note.what): (note.count, note.names) for note in found}


def listed(name: str, corpus: corpus_lib.Corpus, **settings):
  """Returns the utterances and the rejects of a source, each by id."""
  told = (rejects.LeftOut, rejects.Noted)
  entries = [e for e in read(name, corpus, **settings) if not isinstance(e, told)]
  assert [entry.utterance_id for entry in entries] == sorted(e.utterance_id for e in entries)
  good = {e.utterance_id: e for e in entries if isinstance(e, utterance.Utterance)}
  bad = {e.utterance_id: e for e in entries if not isinstance(e, utterance.Utterance)}
  return good, bad
