"""What a source is: the file of one kind of corpus and its line in the table."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from beam_jobs import corpus
from schemas import rejects, utterance

# One entry of a corpus: a clip, or why it cannot be one.
Entry = utterance.Utterance | rejects.Reject


@dataclasses.dataclass(frozen=True, kw_only=True)
class AudioSource:
  """One kind of corpus.

  Attributes:
    settings: Frozen, keyword-only dataclass with int, float, str and bool fields.
    list_utterances: Yields an Utterance or a Reject for everything in the corpus that is named
      like an audio file, sorted by path; opens none of them. Raises SourceError, when it is
      first advanced or at the end, if the folder is missing or empty or nothing in it fits.
    example_tree: Paths of a small corpus of this kind, which tests create as empty files.
    prepare: Makes the corpus in the folder of that name, where the source makes its own. Whole or
      not at all, and once: a corpus that is there already is kept. Called by the launcher.
    default_input: The corpus's folder where the user names none; '' where one must be named.
  """

  settings: type
  list_utterances: Callable[[corpus.Corpus, Any], Iterator[Entry]]
  example_tree: tuple[str, ...]
  prepare: Callable[[str, Any], None] | None = None
  default_input: str = ''
