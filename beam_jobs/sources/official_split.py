"""The official split of Speech Commands: its two lists, or the rule by which they were made."""

import functools
import hashlib
from collections.abc import Sequence

from beam_jobs.sources import corpus as corpus_lib
from schemas import splits

VALIDATION_LIST = 'validation_list.txt'
TESTING_LIST = 'testing_list.txt'

# As in tensorflow/examples/speech_commands/input_data.py, about 134 million.
_MAX_NUM_WAVS_PER_CLASS = 2**27 - 1


@functools.lru_cache(maxsize=1 << 16)  # A speaker has many clips.
def hashed_split(name: str, *, validation_percentage: float, testing_percentage: float) -> str:
  """Returns the split of a speaker by the official rule, `which_set`: SHA-1 of the name.

  Args:
    name: The file's base name up to `_nohash_`.
    validation_percentage: Share of the names for validation, in percent.
    testing_percentage: The same for the test.
  """
  number = int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16)
  percentage = number % (_MAX_NUM_WAVS_PER_CLASS + 1) * (100.0 / _MAX_NUM_WAVS_PER_CLASS)
  if percentage < validation_percentage:
    return splits.VALIDATION
  if percentage < testing_percentage + validation_percentage:
    return splits.TEST
  return splits.TRAIN


def read_lists(corpus: corpus_lib.Corpus, folders: Sequence[str]) -> dict[str, str] | None:
  """Returns the split of every listed `<word>/<clip>`; None where the corpus has no lists.

  Args:
    corpus: Where to look.
    folders: Prefixes such as `train/`; the first that has a list counts.

  Raises:
    SourceError: if a list cannot be read.
  """
  # Test last: it wins, so that a clip of the test is never trained on.
  lists = ((VALIDATION_LIST, splits.VALIDATION), (TESTING_LIST, splits.TEST))
  for folder in folders:
    texts = [(corpus.read_text(folder + name), split) for name, split in lists]
    if any(text is not None for text, _ in texts):
      return {
        line.strip(): split
        for text, split in texts
        for line in (text or '').split('\n')
        if line.strip()
      }
  return None
