"""The example that every source brings along, on the disk."""

import os
import pathlib
from collections.abc import Mapping

from beam_jobs import sources
from beam_jobs.sources import corpus as corpus_lib
from tests.contracts import tfds_example


def make(source, settings, root: pathlib.Path) -> corpus_lib.Corpus:
  """Writes a source's example below `root` and returns what --input would name."""
  for path in source.example_tree:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
  for path, content in files_of(source).items():
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
  if source.prepare:
    source.prepare(str(root), settings)
  return corpus_in(source, root)


def files_of(source) -> Mapping[str, bytes]:
  """Returns the example's further files; a prepared data set is made here, as TFDS would."""
  return tfds_example.files() if source is sources.SOURCES['tfds'] else source.example_files


def corpus_in(source, root: pathlib.Path) -> corpus_lib.Corpus:
  """Returns the corpus below `root`: the folder, or the first of the example's files."""
  if source.takes_file:
    return corpus_lib.Corpus(str(root / next(iter(files_of(source)))))
  return corpus_lib.Corpus(str(root))


def folder_of(source, corpus: corpus_lib.Corpus) -> str:
  """Returns the folder that make has written to, or corpus_in was asked for."""
  if not source.takes_file:
    return corpus.root
  inside = next(iter(files_of(source)))
  return os.path.normpath(corpus.root.removesuffix(inside))
