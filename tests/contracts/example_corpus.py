"""The small corpus that every source brings along as its example."""

import os
import pathlib

from beam_jobs.sources import corpus as corpus_lib


def make(source, settings, root: pathlib.Path) -> corpus_lib.Corpus:
  """Writes a source's example below `root` and returns what --input would name."""
  for path in source.example_tree:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
  for path, content in source.example_files.items():
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
  if source.prepare:
    source.prepare(str(root), settings)
  return corpus_in(source, root)


def corpus_in(source, root: pathlib.Path) -> corpus_lib.Corpus:
  """Returns the corpus below `root`: the folder, or the first of the example's files."""
  if source.takes_file:
    return corpus_lib.Corpus(str(root / next(iter(source.example_files))))
  return corpus_lib.Corpus(str(root))


def folder_of(source, corpus: corpus_lib.Corpus) -> str:
  """Returns the folder that make has written to, or corpus_in was asked for."""
  if not source.takes_file:
    return corpus.root
  inside = next(iter(source.example_files))
  return os.path.normpath(corpus.root.removesuffix(inside))
